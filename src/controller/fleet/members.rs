//! The requests that live in registered clusters (`--serve-member-requests`): a task for each cluster, so that one that is
//! away delays no other.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::unbounded;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Fleet;
use super::member::{Member, Service};
use crate::cluster::connection::Connection;
use crate::controller::context::Supplies;
use crate::controller::run::{Options, stopped};

impl Fleet {
    /// Serves the requests of every registered cluster there, until the operator is told to stop and the work at hand is
    /// done.
    pub async fn serve_members(self, supplies: Supplies, options: Options, stop: watch::Receiver<bool>) {
        let (sender, mut changed) = unbounded();
        *self.listener() = Some(sender);
        self.start();
        let supplies = Supplies { repositories: supplies.repositories.for_members(), ..supplies };
        let service = Arc::new(Service { home: self.shared.client.clone(), supplies, options, stop: stop.clone() });
        let mut members: HashMap<String, watch::Sender<Option<Connection>>> = HashMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let name = tokio::select! {
                () = stopped(stop.clone()) => break,
                Some(name) = changed.next() => name,
            };
            let connection = self.shared.registry.connection(&self.shared.namespace, &name).ok();
            if let Some(member) = members.get(&name) {
                member.send_replace(connection);
            } else if connection.is_some() {
                let (registered, registration) = watch::channel(connection);
                let member = Member { name: name.clone(), service: Arc::clone(&service) };
                tasks.spawn(member.run(registration));
                members.insert(name, registered);
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}
