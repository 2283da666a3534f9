package user

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// home is the folder that goes with the account, or is packed: only one that is
// its own, and nobody else's. ok is false when there is none, or when it is not
// to be touched.
func (r Removal) home(s *sight, a account.Account, p *host.Plan) (real string, ok bool) {
	real, err := s.RealPath(a.Home)
	if err != nil {
		if r.RemoveHome || r.Archive != "" {
			refuse(p, "the home of "+a.Name+" is not touched: "+err.Error(), "what is behind the link is not theirs to give", "remove it by hand")
		}
		return "", false
	}
	info, err := s.Lstat(real)
	if errors.Is(err, fs.ErrNotExist) {
		return real, false
	}
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		why = s.notTheirs(a, real, info)
	}
	if why != "" && (r.RemoveHome || r.Archive != "") {
		refuse(p, "the home "+a.Home+" "+why, "more than the files of "+a.Name+" would go", "leave --remove-home and --archive out, and see to the folder by hand")
	}
	return real, why == ""
}

// notTheirs tells why a folder must not be removed with an account.
func (s *sight) notTheirs(a account.Account, real string, info fs.FileInfo) string {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return "is no folder"
	case strings.Count(real, "/") < 2:
		return "is a folder of the system"
	case known && int(stat.Uid) != a.UID:
		return fmt.Sprintf("belongs to user %d", stat.Uid)
	}
	for _, other := range s.Accounts {
		if other.Name != a.Name && (other.Home == real || strings.HasPrefix(other.Home, real+"/")) {
			return "is also the home of " + other.Name
		}
	}
	above, err := s.Lstat(path.Dir(real))
	if err != nil {
		return err.Error()
	}
	if up, ok := above.Sys().(*syscall.Stat_t); known && ok && up.Dev != stat.Dev {
		return "is a file system of its own"
	}
	return ""
}

// planArchive packs the home. The file appears under its name once it is whole.
func (r Removal) planArchive(s *sight, a account.Account, home string, p *host.Plan) {
	packer, ok := packer(r.Archive)
	switch {
	case !ok || !path.IsAbs(r.Archive):
		refuse(p, fmt.Sprintf("the archive %q has a name that does not tell how to pack it", r.Archive), "gateway packs .tar.gz and .tar.zst", "write the whole path, such as /root/"+a.Name+".tar.gz")
		return
	case strings.HasPrefix(r.Archive, home+"/"):
		refuse(p, "the archive "+r.Archive+" would lie in the home that it is made of", "it would go with the home", "choose a place outside of "+home)
		return
	case !account.Installed(s.Machine, packer):
		refuse(p, "there is no "+packer+" on this host", "the archive could not be packed", "write a name that ends in .tar.gz, or install it with `apt-get install "+packer+"`")
		return
	}
	if _, err := s.Lstat(r.Archive); err == nil {
		refuse(p, r.Archive+" is there already", "it would be lost", "choose another name")
		return
	}
	// tar fails for a file that changes while it is read, and for a full disk.
	const script = `umask 077; trap 'rm -f "$1.part"' EXIT
tar --create --one-file-system --numeric-owner --xattrs --acls --"$2" --file "$1.part" --directory "$3" -- "$4" && sync "$1.part" && mv -n "$1.part" "$1"`
	p.Changes = append(p.Changes, host.Change{
		What: "pack " + home + " into " + r.Archive, Why: "so that nothing is lost; only root can read it",
		NoUndo: "the archive stays: it holds the files of " + a.Name,
		Acts:   []host.Act{host.Program{Do: host.Command{Argv: []string{"sh", "-c", script, "sh", r.Archive, packer, path.Dir(home), path.Base(home)}}}},
	})
}

// packer is the program, and tar's option, for the name of an archive.
func packer(name string) (string, bool) {
	switch {
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return "gzip", true
	case strings.HasSuffix(name, ".tar.zst"):
		return "zstd", true
	}
	return "", false
}

// homeRemoval comes last: nothing behind it can fail and leave an account without
// its home.
func homeRemoval(home, archive string) host.Change {
	why := "it cannot be brought back"
	if archive != "" {
		why = "its files are only in " + archive + " then"
	}
	return host.Change{
		What: "remove " + home + " with all that is in it", Why: "--remove-home asks for it", NoUndo: why,
		Acts: []host.Act{host.Program{Do: host.Command{Argv: []string{"rm", "-rf", "--one-file-system", "--", home}}}},
	}
}
