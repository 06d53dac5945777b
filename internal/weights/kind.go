package weights

import (
	"fmt"
	"strings"

	"bankai/internal/gguf"
)

// refuseKind refuses a file that lies beside models but is none, by what it says of
// itself, and tells which file to take. Without it such a file would be refused for
// something that it need not have, or, worse, loaded.
func refuseKind(f *gguf.File) error {
	const wanted = "give the GGUF file of the language model itself"
	k := &keys{file: f}
	kind, arch := k.text("general.type"), k.text("general.architecture")
	if k.err != nil {
		return k.err
	}
	switch {
	case kind == "adapter":
		return fmt.Errorf("is an adapter (LoRA; general.type is %q), which is used together with a model: %s", kind, wanted)
	case kind == "mmproj" || arch == "clip":
		return fmt.Errorf("is the vision or audio part of a model (mmproj; general.architecture is %q): %s", arch, wanted)
	case isDrafter(arch):
		return fmt.Errorf("is a drafter (architecture %q), which guesses ahead for a larger model: %s", arch, wanted)
	case kind == "imatrix" || arch == "imatrix":
		return fmt.Errorf("is an importance matrix for quantising (imatrix), not a model: %s", wanted)
	case kind == "control_vector" || arch == "controlvector":
		return fmt.Errorf("is a control vector, which is used together with a model: %s", wanted)
	case kind == "vocab":
		return fmt.Errorf("holds a vocabulary alone (general.type is %q): %s", kind, wanted)
	case kind != "" && kind != "model":
		return fmt.Errorf("is not a model: general.type is %.40q: %s", kind, wanted)
	}
	return nil
}

// isDrafter recognises the architectures of draft models for speculative decoding.
func isDrafter(arch string) bool {
	for _, name := range []string{"dspark", "dflash", "eagle", "medusa", "-draft"} {
		if strings.Contains(arch, name) {
			return true
		}
	}
	return false
}
