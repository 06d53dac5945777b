package signature

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// minisign reads our keys and signatures, and we read its. The program itself is asked
// where it is installed; the golden files hold what it wrote.
func TestMinisignReadsOurs(t *testing.T) {
	program, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("minisign is not installed: apt-get install minisign")
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("minisign %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, p := generate(t), patch(gate)
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write("ours.pub", k.Public().File())
	write("fix.bankai", data)
	write("fix.bankai.minisig", sign(t, k, p, "a note"))
	if said := run("", "-Vm", "fix.bankai", "-p", "ours.pub"); !strings.Contains(said, "note=a note") {
		t.Errorf("minisign -V says %s", said)
	}
	passwords := map[string]string{"plain": "", "sealed": "secret pw"}
	if testing.Short() {
		delete(passwords, "sealed") // takes seconds and gigabytes
	}
	for name, password := range passwords {
		file, err := k.File(password)
		if err != nil {
			t.Fatal(err)
		}
		write(name, file)
		run(password+"\n", "-S", "-s", name, "-m", "fix.bankai", "-x", "theirs.minisig")
		sig, err := os.ReadFile(filepath.Join(dir, "theirs.minisig"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(sig, p, []PublicKey{k.Public()}); err != nil {
			t.Errorf("minisign's signature with our %s key: %v", name, err)
		}
	}
}
