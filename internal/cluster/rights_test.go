package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// restricted is a server with JetStream whose only user may do what is listed. It is where
// that user comes in.
func restricted(t testing.TB, p *server.Permissions) Access {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{{Username: "me", Password: "s3cret", Permissions: p}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	return Access{URL: "nats://me:s3cret@" + strings.TrimPrefix(s.ClientURL(), "nats://")}
}

// TestMissingRights names the right that a user of an existing server lacks.
func TestMissingRights(t *testing.T) {
	deny := &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.CREATE.>"}}}
	_, err := dial(t, restricted(t, deny)).Objects(t.Context(), t.TempDir())
	wantError(t, err, "no right", "publish to $JS.API.STREAM.CREATE.OBJ_bankai-objects")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

// TestRights are those of the package's documentation: with no others, workers are found,
// fetch the model and take part.
func TestRights(t *testing.T) {
	access := restricted(t, &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"bankai.>", "$JS.API.>", "$JS.ACK.>", "$O.bankai-objects.>", "$KV.>", "$SRV.>", "_INBOX.>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"bankai.>", "$SRV.>", "_INBOX.>"}},
	})
	log := &lines{}
	access.Log = log.log
	o := (&told{}).options()
	o.ModelFile, o.Cache = tinyFile(t), t.TempDir()
	c := dial(t, access)
	s := openSession(t, c, golden(t, exact), o)
	runWorker(t, Worker{Conn: dial(t, access), Name: "w", Cache: t.TempDir(), Open: fetched})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if list, err := Workers(t.Context(), c); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if err := s.objects.Delete(t.Context(), s.offer.state().Digest); err != nil {
		t.Error(err)
	}
	if log.count("") > 0 {
		t.Errorf("the server complains:\n%s", log)
	}
}
