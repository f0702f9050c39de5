// Command credentials writes the keys and certificates of one test control plane.
//
//	credentials FOLDER
//
// It makes a certificate authority (ca.crt, ca.key), a server certificate for
// 127.0.0.1 and localhost (server.crt, server.key), a client certificate
// (client.crt, client.key) and the key that signs service account tokens
// (service-account.key). All are good for a day and trusted by nothing else.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: credentials FOLDER")
		os.Exit(2)
	}
	if err := write(folder(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, "credentials:", err)
		os.Exit(1)
	}
}

func write(folder folder) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	if err := folder.writePair("ca", authority.certificate.Raw, authority.key); err != nil {
		return err
	}

	server := template("127.0.0.1")
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if err := authority.issue(folder, "server", server); err != nil {
		return err
	}

	client := template("client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := authority.issue(folder, "client", client); err != nil {
		return err
	}

	key, err := newKey()
	if err != nil {
		return err
	}
	return folder.writeKey("service-account.key", key)
}

// authority is a certificate authority that lives as long as this process.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	certificate := template("coxswain test authority")
	certificate.IsCA = true
	certificate.BasicConstraintsValid = true
	certificate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{parsed, key}, err
}

func (a *authority) issue(folder folder, name string, certificate *x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	return folder.writePair(name, der, key)
}

// template is what all the certificates have in common. Clocks may differ a
// little between containers, hence the hour before.
func template(commonName string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// newKey makes an elliptic key: it takes no measurable time, unlike an RSA key.
func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

type folder string

func (f folder) writePair(name string, certificate []byte, key *ecdsa.PrivateKey) error {
	if err := f.writePEM(name+".crt", "CERTIFICATE", certificate); err != nil {
		return err
	}
	return f.writeKey(name+".key", key)
}

// writeKey writes the one form from which the API server also reads the public half.
func (f folder) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return f.writePEM(name, "EC PRIVATE KEY", der)
}

func (f folder) writePEM(name, kind string, der []byte) error {
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return os.WriteFile(filepath.Join(string(f), name), content, 0o600)
}
