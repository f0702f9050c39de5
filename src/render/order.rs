//! The order of kinds in which Helm installs and uninstalls (`pkg/release/v1/util/kind_sorter.go`).

use std::cmp::Ordering;

/// Which way objects are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Creation: what others need comes first.
    Install,
    /// Deletion.
    Uninstall,
}

const INSTALL: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

const UNINSTALL: [&str; 38] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

impl Order {
    /// The place of a kind: known kinds by their list, all others after them.
    pub fn rank(self, kind: &str) -> usize {
        let kinds = match self {
            Self::Install => &INSTALL,
            Self::Uninstall => &UNINSTALL,
        };
        kinds.iter().position(|known| *known == kind).unwrap_or(kinds.len())
    }

    /// Compares two kinds; unknown kinds are last, among themselves by name.
    pub fn compare(self, left: &str, right: &str) -> Ordering {
        let (left_rank, right_rank) = (self.rank(left), self.rank(right));
        let unknown = left_rank == INSTALL.len() && right_rank == INSTALL.len();
        if unknown { left.cmp(right) } else { left_rank.cmp(&right_rank) }
    }
}

/// Sorts items by their kind; items of one kind keep their order.
pub fn sort_by_kind<T>(items: &mut [T], order: Order, kind: impl Fn(&T) -> &str) {
    items.sort_by(|left, right| order.compare(kind(left), kind(right)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(order: Order, kinds: &[&'static str]) -> Vec<&'static str> {
        let mut kinds = kinds.to_vec();
        sort_by_kind(&mut kinds, order, |kind| kind);
        kinds
    }

    #[test]
    fn install_puts_what_others_need_first() {
        let kinds =
            ["Deployment", "Widget", "Service", "Namespace", "Gadget", "ValidatingWebhookConfiguration", "Secret"];
        let expected =
            ["Namespace", "Secret", "Service", "Deployment", "ValidatingWebhookConfiguration", "Gadget", "Widget"];
        assert_eq!(sorted(Order::Install, &kinds), expected);
    }

    #[test]
    fn uninstall_is_not_the_plain_reverse() {
        let kinds = ["Namespace", "Deployment", "Service", "Ingress", "Widget"];
        assert_eq!(sorted(Order::Uninstall, &kinds), ["Ingress", "Service", "Deployment", "Namespace", "Widget"]);
    }

    #[test]
    fn both_orders_know_the_same_kinds() {
        for kind in INSTALL {
            assert!(UNINSTALL.contains(&kind), "{kind} is missing in the uninstall order");
        }
    }
}
