//go:build darwin || freebsd || linux

package durable

import "golang.org/x/sys/unix"

// FreeSpace is how many bytes a user may still write to the disk of a folder.
func FreeSpace(folder string) (bytes int64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
