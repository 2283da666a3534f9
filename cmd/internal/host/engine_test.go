package host

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

func TestEngine_AppliesAndUndoesToTheLastBit(t *testing.T) {
	w := newEngineWorld(t, t.TempDir()).furnish()
	before := w.state()
	run := w.mustApply()
	if run.State != StateApplied || len(run.Changes) != len(w.step.changes) {
		t.Errorf("the run is told as %+v", run)
	}
	for path, want := range map[string]string{
		"etc/app/conf.d/00.conf": "new\n", "etc/app/a.conf": "changed\n", "etc/app/current": "kept\n",
		"etc/real/d.conf": "behind the link\n", "etc/app/two": "both\n", "home/alice/.ssh/authorized_keys": "ssh-ed25519 AAAA\n",
	} {
		if got := w.read(path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	undone, err := w.engine.Undo(t.Context(), Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(undone) != 1 || undone[0].State != StateUndone {
		t.Errorf("undone: %+v", undone)
	}
	w.same(before, "after undo")
	if _, err := w.engine.Undo(t.Context(), Selection{}); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("a second undo: %v", err)
	}
}

func TestEngine_SecondApplyChangesNoByteAndNoTime(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.mustApply()
	before, journals := w.state(), w.journals()
	if p := w.plan(); !p.Empty() {
		t.Errorf("there is still something to do: %+v", p)
	}
	if _, err := w.engine.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.same(before, "after a second apply")
	if after := w.journals(); !maps.Equal(after, journals) {
		t.Error("the journal's folder has changed")
	}
}

func TestEngine_KeepsSecretsAndOldContentsFromOthers(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.mustApply()
	for name, content := range w.journals() {
		if strings.Contains(content, "s3cret") {
			t.Errorf("%s holds what a program was given on its standard input", name)
		}
		info, err := os.Stat(w.root + "/var/lib/gateway/setup/" + name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, error %v", name, info.Mode(), err)
		}
	}
	info, err := os.Stat(w.root + "/var/lib/gateway/setup")
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, error %v", info.Mode(), err)
	}
}

func TestEngine_RefusesAJournalFolderThatOthersCouldHaveMade(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.must(os.MkdirAll(w.root+"/var/lib/gateway/setup", 0o700))
	w.must(os.Chmod(w.root+"/var/lib/gateway/setup", 0o770))
	_, err := w.apply()
	engineContains(t, err, "nothing was changed", "mode 0770")
	if os.Geteuid() == 0 {
		w.must(os.Chmod(w.root+"/var/lib/gateway/setup", 0o700))
		w.must(os.Chown(w.root+"/var/lib/gateway/setup", 4711, 0))
		_, err := w.apply()
		engineContains(t, err, "belongs to user 4711")
	}
}

func TestEngine_RefusesALinkThatOthersPutInThePlaceOfTheJournals(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can make a link of somebody else")
	}
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.must(os.Mkdir(w.root+"/private", 0o700))
	w.must(os.MkdirAll(w.root+"/var/lib/gateway", 0o700))
	at := w.root + "/var/lib/gateway/setup"
	w.must(os.Symlink(w.root+"/private", at))
	w.must(os.Lchown(at, 4711, 0))
	_, err := w.apply()
	engineContains(t, err, "nothing was changed", "is a symbolic link that belongs to user 4711")
	if entries, err := os.ReadDir(w.root + "/private"); err != nil || len(entries) > 0 {
		t.Errorf("behind the link is %v, error %v", entries, err)
	}
	w.must(os.Lchown(at, 0, 0))
	w.mustApply()
}

func TestEngine_RefusesToApplyWhatWasNotShown(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	shown := w.plan()
	w.write("etc/app/a.conf", "changed\n", 0o600)
	before := w.state()
	if _, err := w.engine.Apply(t.Context(), shown, 0); !errors.Is(err, ErrPlanChanged) {
		t.Errorf("got %v", err)
	}
	w.same(before, "after the refusal")
}

func TestEngine_TakesEverythingBackWhenAStepIsNotContent(t *testing.T) {
	for name, spoil := range map[string]func(*engineStep){
		"before its first act": func(s *engineStep) { s.ready = errEngineTest },
		"after its last act":   func(s *engineStep) { s.verify = errEngineTest },
	} {
		w := newEngineWorld(t, engineMemory(t)).furnish()
		before := w.state()
		spoil(w.step)
		_, err := w.apply()
		failed := (*FailedError)(nil)
		if !errors.As(err, &failed) || failed.Left != nil || !errors.Is(err, errEngineTest) {
			t.Errorf("%s: got %v", name, err)
		}
		w.same(before, name)
		if got := w.lastState(); got != StateUndone {
			t.Errorf("%s: the run is %s", name, got)
		}
	}
}

func TestEngine_TakesEverythingBackWhenItIsInterrupted(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	before := w.state()
	ctx, interrupt := context.WithCancelCause(t.Context())
	seen := 0
	w.engine.Tell = func(e Event) {
		if seen++; seen == 4 {
			interrupt(errEngineTest)
		}
	}
	_, err := w.engine.Apply(ctx, w.plan(), 0)
	if !errors.Is(err, errEngineTest) {
		t.Errorf("got %v", err)
	}
	w.same(before, "after the interruption")
}

func TestEngine_UndoesRunsFromTheLastToTheFirst(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	before := w.state()
	w.mustApply()
	between := w.state()
	w.step.changes = []Change{engineChange("replace a file again", File{Path: "/etc/app/a.conf", Data: []byte("twice\n"), Perm: 0o644, Owner: ownOwner()})}
	if run := w.mustApply(); run.Number != 2 {
		t.Errorf("the second run has number %d", run.Number)
	}
	if _, err := w.engine.Undo(t.Context(), Selection{}); err != nil {
		t.Fatal(err)
	}
	w.same(between, "after the last run was undone")
	w.mustApply()
	undone, err := w.engine.Undo(t.Context(), Selection{All: true})
	if err != nil || len(undone) != 2 {
		t.Fatalf("undone: %+v, error %v", undone, err)
	}
	w.same(before, "after all runs were undone")
}

func TestEngine_UndoesOneStepOfARun(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	before := w.state()
	other := &engineStep{name: "other", changes: []Change{engineChange("write another file", File{Path: "/home/other", Data: []byte("x"), Perm: 0o600, Owner: ownOwner()})}}
	steps := []Step{w.step, other}
	p, err := w.engine.Plan(t.Context(), steps)
	w.must(err)
	_, err = w.engine.Apply(t.Context(), p, 0)
	w.must(err)
	undone, err := w.engine.Undo(t.Context(), Selection{Steps: []string{"app"}})
	w.must(err)
	if undone[0].State != StatePartly || len(undone[0].Changes) != 1 {
		t.Errorf("told as %+v", undone[0])
	}
	if got := w.read("home/other"); got != "x" {
		t.Errorf("the other step's file holds %q", got)
	}
	_, err = w.engine.Undo(t.Context(), Selection{Steps: []string{"app"}})
	if !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("a second time: %v", err)
	}
	_, err = w.engine.Undo(t.Context(), Selection{})
	w.must(err)
	w.same(before, "after the rest was undone")
}

func TestPlanUndo_TellsHowTheMachineWouldBe(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	accounts := &engineStep{name: "user", changes: []Change{engineChange("keep people",
		File{Path: "/home/other", Data: []byte("x"), Perm: 0o600, Owner: ownOwner()},
		Program{Undo: []Command{{Argv: []string{"true", "carol"}}}})}}
	p, err := w.engine.Plan(t.Context(), []Step{w.step, accounts})
	w.must(err)
	_, err = w.engine.Apply(t.Context(), p, 0)
	w.must(err)

	part, err := w.engine.PlanUndo(Selection{Steps: []string{"user"}})
	w.must(err)
	if u := part[0]; !u.Leaves("app") || u.Leaves("user") || u.Interrupted() {
		t.Errorf("one step of two: leaves %q", u.leaves)
	}
	for _, c := range []struct {
		step, name, home string
		want             bool
	}{{"user", "carol", "/srv", true}, {"user", "dave", "/home", true}, {"user", "dave", "/hom", false}, {"app", "carol", "/srv", false}} {
		if got := part[0].Concerns(c.step, c.name, c.home); got != c.want {
			t.Errorf("%+v: got %t", c, got)
		}
	}
	if text, found := part[0].Files()["/home/other"]; !found || text != nil {
		t.Errorf("the files would be %q", part[0].Files())
	}
	all, err := w.engine.PlanUndo(Selection{})
	w.must(err)
	if all[0].Leaves("app") || all[0].Leaves("user") {
		t.Errorf("all of it: leaves %q", all[0].leaves)
	}
}

func TestEngine_DoesNotUndoWhatOthersHaveChangedUnlessForced(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*engineWorld)
		why    string
	}{
		"content": {func(w *engineWorld) { w.write("etc/app/conf.d/00.conf", "mine\n", 0o644) }, "/etc/app/conf.d/00.conf was changed since: it has another content"},
		"mode":    {func(w *engineWorld) { w.must(os.Chmod(w.root+"/etc/app/a.conf", 0o660)) }, "/etc/app/a.conf was changed since: its mode is 0660 now, not 0600"},
		"gone":    {func(w *engineWorld) { w.must(os.Remove(w.root + "/etc/app/a.conf")) }, "/etc/app/a.conf was changed since: it is gone"},
		"there":   {func(w *engineWorld) { w.write("etc/app/c.conf", "again", 0o644) }, "/etc/app/c.conf was changed since: it is a file now"},
		"link": {func(w *engineWorld) {
			w.must(errors.Join(os.Remove(w.root+"/etc/app/current"), os.Symlink("x", w.root+"/etc/app/current")))
		}, "/etc/app/current was changed since: it leads to x now"},
	} {
		w := newEngineWorld(t, engineMemory(t)).furnish()
		before := w.state()
		w.mustApply()
		c.change(w)
		mine := w.state()
		_, err := w.engine.Undo(t.Context(), Selection{})
		engineContains(t, err, "nothing was undone", c.why, "--force")
		w.same(mine, name+": after the refusal")
		if _, err := w.engine.Undo(t.Context(), Selection{Force: true}); err != nil {
			t.Errorf("%s: with force: %v", name, err)
		}
		after := w.state()
		for path, was := range before {
			if strings.Fields(after[path])[0] != strings.Fields(was)[0] || strings.HasSuffix(path, ".conf") && after[path] != was {
				t.Errorf("%s: %s is %s and was %s", name, path, after[path], was)
			}
		}
		kept := 0
		for file, content := range w.journals() {
			if strings.Contains(file, ".kept-") && (strings.HasSuffix(content, "mine\n") || strings.HasSuffix(content, "again")) {
				kept++
			}
		}
		if wanted := name == "content" || name == "there"; wanted != (kept == 1) {
			t.Errorf("%s: %d contents were kept", name, kept)
		}
	}
}

func TestEngine_ShowsWhatAnUndoWouldChangeForOthers(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.mustApply()
	w.write("etc/app/conf.d/00.conf", "mine\n", 0o644)
	w.write("home/alice/.ssh/authorized_keys", "private", 0o600)
	plan, err := w.engine.PlanUndo(Selection{})
	w.must(err)
	if len(plan) != 1 || len(plan[0].Conflicts) != 2 {
		t.Fatalf("planned: %+v", plan)
	}
	for _, c := range plan[0].Conflicts {
		if want := "--- /etc/app/conf.d/00.conf\n+++ /dev/null\n@@ -1 +0,0 @@\n-mine\n"; c.Path == "/etc/app/conf.d/00.conf" && c.Diff != want {
			t.Errorf("the difference is shown as %q", c.Diff)
		}
		if strings.Contains(c.Diff, "private") {
			t.Error("a content is shown that only its owner may read")
		}
	}
}

func TestEngine_LeavesAFolderWithOthersFilesInIt(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.mustApply()
	w.write("etc/app/conf.d/mine", "x", 0o600)
	var notices []string
	w.engine.Tell = func(e Event) {
		if e.Kind == EventNotice {
			notices = append(notices, e.What)
		}
	}
	undone, err := w.engine.Undo(t.Context(), Selection{})
	w.must(err)
	if w.read("etc/app/conf.d/mine") != "x" || undone[0].State != StateUndone {
		t.Errorf("undone: %+v", undone)
	}
	if len(notices) != 1 || notices[0] != "make a folder: /etc/app/conf.d: it is not empty, so it stays" {
		t.Errorf("notices: %q", notices)
	}
}

func TestEngine_TriesAgainWhatCouldNotBeTakenBack(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	before := w.state()
	stuck := true
	w.engine.Machine.Run = func(ctx context.Context, c Command) (Result, error) {
		if c.Argv[0] == "rm" && stuck {
			return Result{}, &ExitError{Program: "rm", Code: 1, Stderr: "cannot remove"}
		}
		return w.run(ctx, c)
	}
	w.step.verify = errEngineTest
	_, err := w.apply()
	engineContains(t, err, "it was taken back, but for this: run a program: rm /etc/app/marker", "cannot remove", "`gateway setup undo` tries again")
	if w.read("etc/app/a.conf") != "old\n" || w.lastState() != StateUnfinished {
		t.Errorf("the others were not taken back, or the run is not open: %s", w.lastState())
	}
	w.step.verify = nil
	_, err = w.apply()
	engineContains(t, err, "run 1 of ", "was interrupted", "`gateway setup undo`")
	stuck = false
	if _, err := w.engine.Undo(t.Context(), Selection{}); err != nil {
		t.Fatal(err)
	}
	w.same(before, "after the second try")
}

func TestEngine_GivesUpWhatCannotBeTakenBackWhenForced(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.engine.Machine.Run = func(ctx context.Context, c Command) (Result, error) {
		if c.Argv[0] == "rm" {
			return Result{}, errEngineTest
		}
		return w.run(ctx, c)
	}
	w.mustApply()
	if _, err := w.engine.Undo(t.Context(), Selection{}); !errors.Is(err, errEngineTest) {
		t.Fatalf("got %v", err)
	}
	if undone, err := w.engine.Undo(t.Context(), Selection{Force: true}); err != nil || undone[0].State != StateUndone {
		t.Errorf("undone %+v, error %v", undone, err)
	}
}

func TestEngine_SaysWhatCannotBeTakenBack(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	w.step.changes = []Change{{What: "forget the past", NoUndo: "what is forgotten is gone", Acts: []Act{Program{Do: Command{Argv: []string{"touch", "/etc/app/marker"}}}}}}
	w.mustApply()
	plan, err := w.engine.PlanUndo(Selection{})
	w.must(err)
	if len(plan[0].Stays) != 1 || plan[0].Stays[0] != "forget the past: what is forgotten is gone" {
		t.Errorf("planned: %+v", plan)
	}
	undone, err := w.engine.Undo(t.Context(), Selection{})
	if err != nil || undone[0].State != StateUndone {
		t.Errorf("undone %+v, error %v", undone, err)
	}
}

func TestEngine_LetsOneSetupAtATimeChangeTheHost(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	second := newEngineWorld(t, w.root)
	w.engine.By = "root (sudo of alice)"
	shown := second.plan()
	var refusal error
	w.engine.Tell = func(e Event) {
		if refusal == nil {
			if state := second.lastState(); state != StateAtWork {
				t.Errorf("another process is told that the run is %s", state)
			}
			_, refusal = second.engine.Apply(context.Background(), shown, 0)
		}
	}
	w.mustApply()
	busy := (*BusyError)(nil)
	if !errors.As(refusal, &busy) || busy.PID != os.Getpid() || time.Since(busy.Since) > time.Hour {
		t.Fatalf("the second was told %v", refusal)
	}
	engineContains(t, refusal, "nothing was changed", "another `gateway setup` is at work: process ", " of root (sudo of alice), since 20")
}

func TestEngine_RefusesActsThatCannotBeUndone(t *testing.T) {
	for name, act := range map[string]Act{
		"a secret to undo": Program{Undo: []Command{{Argv: []string{"chpasswd"}, Stdin: []byte("x")}}},
		"a relative path":  File{Path: "etc/passwd"},
		"an unclean path":  File{Path: "/etc/../passwd"},
		"the root":         Attributes{Path: "/"},
		"a huge file":      File{Path: "/huge", Data: make([]byte, maxKept+1)},
		"nothing":          nil,
	} {
		w := newEngineWorld(t, engineMemory(t))
		step := &enginePlanner{plan: Plan{Changes: []Change{engineChange("x", act)}}}
		if _, err := w.engine.Plan(t.Context(), []Step{step}); err == nil {
			t.Errorf("%s was planned", name)
		}
	}
}

// enginePlanner answers with a plan whatever the host.
type enginePlanner struct {
	engineStep
	plan Plan
	err  error
}

func (p *enginePlanner) Plan(context.Context, Machine) (Plan, error) { return p.plan, p.err }

func TestEngine_AppliesNothingOfAPlanWithARefusal(t *testing.T) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	before := w.state()
	for name, planner := range map[string]*enginePlanner{
		"a refusal":              {plan: Plan{Refusals: []Refusal{{What: "no admin has a key"}}}},
		"a step that can't look": {err: os.ErrPermission},
	} {
		p, err := w.engine.Plan(t.Context(), []Step{w.step, planner})
		w.must(err)
		if !p.Refused() || p.Empty() {
			t.Errorf("%s: proposed %+v", name, p)
		}
		if _, err := w.engine.Apply(t.Context(), p, 0); err == nil {
			t.Errorf("%s was passed over", name)
		}
		w.same(before, name)
	}
}

func TestEngine_PutsBackWhatProgramsLeaveBesideTheirWork(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*engineWorld)
		back      bool
	}{
		"nobody else was there":  {func(*engineWorld) {}, true},
		"others have added more": {func(w *engineWorld) { w.write("etc/passwd", "old\nnew\nmore\n", 0o644) }, false},
	} {
		w := newEngineWorld(t, engineMemory(t)).furnish()
		w.write("etc/passwd", "old\n", 0o644)
		w.write("etc/passwd-", "older\n", 0o600)
		long := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
		w.must(errors.Join(os.Chtimes(w.root+"/etc/passwd", long, long), os.Chtimes(w.root+"/etc/passwd-", long, long), os.Chtimes(w.root+"/etc", long, long)))
		before := w.state()
		w.engine.Machine.Run = func(_ context.Context, c Command) (Result, error) {
			w.write("etc/passwd-", w.read("etc/passwd"), 0o600)
			w.write("etc/group-", "", 0o600)
			if c.Argv[0] == "userdel" {
				w.write("etc/passwd", strings.Replace(w.read("etc/passwd"), "new\n", "", 1), 0o644)
			} else {
				w.write("etc/passwd", w.read("etc/passwd")+"new\n", 0o644)
			}
			return Result{}, nil
		}
		planner := &enginePlanner{plan: Plan{Changes: []Change{engineChange("add an account",
			Touched{Path: "/etc/passwd"}, Touched{Path: "/etc/passwd-", With: "/etc/passwd"}, Touched{Path: "/etc/group-", With: "/etc/passwd"},
			Program{Do: Command{Argv: []string{"useradd", "new"}}, Undo: []Command{{Argv: []string{"userdel", "new"}}}})}}}
		p, err := w.engine.Plan(t.Context(), []Step{planner})
		w.must(err)
		_, err = w.engine.Apply(t.Context(), p, 0)
		w.must(err)
		c.meanwhile(w)
		_, err = w.engine.Undo(t.Context(), Selection{})
		w.must(err)
		if c.back {
			w.sameButFolderTimes(before, name)
		} else if got := w.read("etc/passwd"); got != "old\nmore\n" || w.read("etc/passwd-") != "old\nnew\nmore\n" {
			t.Errorf("%s: what they wrote is gone: %q and %q", name, got, w.read("etc/passwd-"))
		}
	}
}

func (*enginePlanner) Verify(context.Context, Machine) error { return nil }
