package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// placeHost is a host in a folder with a secret outside of a user's home.
func placeHost(t *testing.T) (Machine, string) {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"etc", "home/alice/.ssh", "data/home/bob/.ssh"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	placeWrite(t, root+"/etc/shadow", "secret")
	return Machine{Root: root, OS: "linux"}, root
}

func placeWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func placeDo(m Machine, act fileAct) error {
	t := act.target()
	p, err := m.open(t.path, t.within, t.throughLink)
	if err != nil {
		return err
	}
	defer p.close()
	before, err := p.snapshot()
	if err != nil {
		return err
	}
	if _, err := act.after(before); err != nil {
		return err
	}
	return act.do(p, before)
}

func TestPlace_FollowsNoLinkBelowAUsersFolder(t *testing.T) {
	own := ownOwner()
	const keys = "/home/alice/.ssh/authorized_keys"
	for name, link := range map[string]func(root string) error{
		"a folder on the way": func(root string) error {
			return errors.Join(os.Remove(root+"/home/alice/.ssh"), os.Symlink("/etc", root+"/home/alice/.ssh"))
		},
		"a folder on the way, to another of the user": func(root string) error {
			return errors.Join(os.Rename(root+"/home/alice/.ssh", root+"/home/alice/x"), os.Symlink("x", root+"/home/alice/.ssh"))
		},
		"the file itself": func(root string) error { return os.Symlink("../../../etc/shadow", root+keys) },
	} {
		for _, act := range []fileAct{
			File{Path: keys, Data: []byte("x"), Perm: 0o600, Owner: own, Within: "/home/alice"},
			Attributes{Path: keys, Perm: 0o644, Owner: own, Within: "/home/alice"},
			Folder{Path: keys, Perm: 0o700, Owner: own, Within: "/home/alice"},
		} {
			m, root := placeHost(t)
			if err := link(root); err != nil {
				t.Fatal(err)
			}
			if err := placeDo(m, act); err == nil || !strings.Contains(err.Error(), "link") {
				t.Errorf("%s, %T: %v", name, act, err)
			}
			if text, err := os.ReadFile(root + "/etc/shadow"); err != nil || string(text) != "secret" {
				t.Errorf("%s, %T: the secret is %q, error %v", name, act, text, err)
			}
		}
	}
}

func TestPlace_FollowsRootsLinkToAHome(t *testing.T) {
	m, root := placeHost(t)
	if err := os.Symlink("/data/home/bob", root+"/home/bob"); err != nil {
		t.Fatal(err)
	}
	if err := placeDo(m, File{Path: "/home/bob/.ssh/authorized_keys", Data: []byte("key"), Perm: 0o600, Owner: ownOwner(), Within: "/home/bob"}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(root + "/data/home/bob/.ssh/authorized_keys"); err != nil || string(text) != "key" {
		t.Errorf("holds %q, error %v", text, err)
	}
}

func TestPlace_RefusesFoldersAndLinksOfOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files of other users")
	}
	m, root := placeHost(t)
	const alice, mallory = 4711, 4712
	for path, uid := range map[string]int{"/home/alice": alice, "/home/alice/.ssh": mallory} {
		if err := os.Chown(root+path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	file := File{Path: "/home/alice/.ssh/authorized_keys", Data: []byte("x"), Perm: 0o600, Owner: Owner{alice, alice}, Within: "/home/alice"}
	if err := placeDo(m, file); err == nil || !strings.Contains(err.Error(), `the folder ".ssh" belongs to user 4712, not to user 4711`) {
		t.Errorf("another user's folder: %v", err)
	}
	if err := errors.Join(os.Symlink("shadow", root+"/etc/link"), os.Lchown(root+"/etc/link", mallory, mallory)); err != nil {
		t.Fatal(err)
	}
	if err := placeDo(m, File{Path: "/etc/link", Data: []byte("x")}); err == nil || !strings.Contains(err.Error(), "/etc/link is a symbolic link that belongs to user 4712") {
		t.Errorf("another user's link: %v", err)
	}
	if text, err := os.ReadFile(root + "/etc/shadow"); err != nil || string(text) != "secret" {
		t.Errorf("the secret is %q, error %v", text, err)
	}
}

func TestPlace_GoesThroughAHomeThatIsRoots(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files of other users")
	}
	m, root := placeHost(t)
	const alice, mallory = 4711, 4712
	if err := os.Chown(root+"/home/alice/.ssh", alice, alice); err != nil {
		t.Fatal(err)
	}
	file := File{Path: "/home/alice/.ssh/authorized_keys", Data: []byte("x"), Perm: 0o600, Owner: Owner{alice, alice}, Within: "/home/alice"}
	if err := placeDo(m, file); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Mkdir(root+"/home/alice/.ssh/deep", 0o755), os.Chown(root+"/home/alice/.ssh/deep", mallory, mallory)); err != nil {
		t.Fatal(err)
	}
	file.Path = "/home/alice/.ssh/deep/x"
	if err := placeDo(m, file); err == nil || !strings.Contains(err.Error(), `the folder "deep" belongs to user 4712`) {
		t.Errorf("below a folder of alice: %v", err)
	}
}

func TestPlace_DoesNotGiveAwayAnotherNameOfAForeignFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files of other users")
	}
	m, root := placeHost(t)
	const alice = 4711
	keys := root + "/home/alice/.ssh/authorized_keys"
	if err := errors.Join(os.Chown(root+"/home/alice", alice, alice), os.Link(root+"/etc/shadow", keys)); err != nil {
		t.Fatal(err)
	}
	if err := placeDo(m, Attributes{Path: "/home/alice/.ssh/authorized_keys", Perm: 0o600, Owner: Owner{alice, alice}, Within: "/home/alice"}); err == nil || !strings.Contains(err.Error(), "is another name of a file of user 0") {
		t.Errorf("attributes: %v", err)
	}
	if err := placeDo(m, File{Path: "/home/alice/.ssh/authorized_keys", Data: []byte("key"), Perm: 0o600, Owner: Owner{alice, alice}, Within: "/home/alice"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(root + "/etc/shadow")
	if err != nil || ownerOf(info).UID != 0 {
		t.Errorf("the secret belongs to %+v, error %v", ownerOf(info), err)
	}
	if text, err := os.ReadFile(root + "/etc/shadow"); err != nil || string(text) != "secret" {
		t.Errorf("the secret is %q, error %v", text, err)
	}
}

func TestPlace_StaysBelowTheRootOfTheMachine(t *testing.T) {
	m, root := placeHost(t)
	for target, path := range map[string]string{"/etc/here": "/etc/here", "../../../../etc/up": "/etc/up", "/etc/./x/../dotted": ""} {
		link := root + "/etc/link"
		_ = os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		err := placeDo(m, File{Path: "/etc/link", Data: []byte("x"), Perm: 0o600, Owner: ownOwner()})
		if path == "" {
			if !errors.Is(err, fs.ErrNotExist) { // "x" is not there, as the kernel would find
				t.Errorf("%s: %v", target, err)
			}
			continue
		}
		if text, readErr := os.ReadFile(root + path); err != nil || readErr != nil || string(text) != "x" {
			t.Errorf("%s: %v, %v", target, err, readErr)
		}
	}
}

func TestPlace_EndsWithALoopOfLinks(t *testing.T) {
	m, root := placeHost(t)
	if err := errors.Join(os.Symlink("b", root+"/etc/a"), os.Symlink("a", root+"/etc/b")); err != nil {
		t.Fatal(err)
	}
	if err := placeDo(m, File{Path: "/etc/a"}); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v", err)
	}
}

func TestPlace_RefusesWhatIsNoFile(t *testing.T) {
	m, root := placeHost(t)
	if err := syscall.Mkfifo(root+"/etc/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for act, want := range map[fileAct]string{
		Gone{Path: "/etc/pipe"}:                                "there is a device, pipe or socket, and a file or a link is needed: move it away",
		Attributes{Path: "/etc/pipe"}:                          "there is a device, pipe or socket, and a file or a folder is needed: move it away",
		Gone{Path: "/etc"}:                                     "there is a folder, and a file or a link is needed: move it away",
		Symlink{Path: "/etc", Target: "x"}:                     "there is a folder, and a link is needed: move it away",
		Folder{Path: "/etc/shadow"}:                            "there is a file, and a folder is needed: move it away",
		Attributes{Path: "/etc/none"}:                          "there is nothing, and a file or a folder is needed",
		Attributes{Path: "/etc/x", Within: "/home"}:            "/etc/x is not below /home",
		Attributes{Path: "/home/alice", Within: "/home/alice"}: "/home/alice is not below /home/alice",
	} {
		if err := placeDo(m, act); err == nil || err.Error() != want {
			t.Errorf("%+v: got %v, want %q", act, err, want)
		}
	}
}
