package health

import "fmt"

// phrases are the words of notices in one language. Those with verbs are formats;
// their arguments are named beside them.
type phrases struct {
	units

	isDown, isDownAgain, isStopped string
	isStillDown                    string // how long
	isUp                           string // how long it was down

	downSince                      string // backend, when
	why                            string // cause
	now                            string // what gateway does
	counts                         string // deaths, restarts
	requests                       string // held, failed
	restless                       string // incidents, since, how long it must be well
	probe                          string // when, error
	changed, next                  string
	printed, printedNothing        string
	answersAgain                   string // backend
	downFor                        string // how long
	from, until                    string // when
	stoppedByHand                  string // backend
	historyHint                    string
	startHint                      string // backend
	onlyWatches, isBack, startsNow string
	served                         string // by whom
	startsLater                    string // when
	watchesHang                    string

	readLog                                   string // backend
	wholeLog                                  string // path
	seeStatus                                 string
	adviseMemory, adviseCommand, adviseKilled string
	adviseCrash, adviseOutput, adviseWatch    string
	adviseAsk                                 string // URL
	exitOOM, exitUnknown, exitNotByUs         string
	exitSignal                                string // number, name
	exitCode                                  string // code

	changePhrases
	alarmPhrases
}

// changePhrases tell what was changed before a trouble.
type changePhrases struct {
	gatewayStarted, gatewayUpgraded                  string // version
	backendStarted, backendStopped, backendRestarted string // name
	certificateChanged                               string // names
	configReloaded                                   string // file
}

func phrasesOf(lang string) phrases {
	if lang == "zh" {
		return chinese()
	}
	return english()
}

func (p phrases) change(c Change) string {
	format := map[ChangeKind]string{
		GatewayStarted: p.gatewayStarted, GatewayUpgraded: p.gatewayUpgraded, ConfigReloaded: p.configReloaded,
		BackendStarted: p.backendStarted, BackendStopped: p.backendStopped, BackendRestarted: p.backendRestarted,
		CertificateChanged: p.certificateChanged,
	}[c.Kind]
	return fmt.Sprintf(format, c.Subject)
}

// exit tells how a process ended; in English that is Exit's own text.
func (p phrases) exit(e Exit) string {
	if p.exitCode == "" {
		return e.String()
	}
	var how string
	switch {
	case e.OOM:
		return p.exitOOM
	case e.Unknown:
		how = p.exitUnknown
	case e.Signal != 0:
		how = fmt.Sprintf(p.exitSignal, int(e.Signal), signalName(e.Signal))
	default:
		how = fmt.Sprintf(p.exitCode, e.Code) + shellMeaning(e.Code)
	}
	if e.ByGateway == "" && e.Signal != 0 {
		how += p.exitNotByUs
	}
	return how
}
