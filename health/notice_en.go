package health

func english() phrases {
	return phrases{
		units:       units{" ms", " s", " min", " h", " d"},
		isDown:      "is DOWN",
		isDownAgain: "is DOWN again",
		isStillDown: "is still DOWN after %s",
		isUp:        "is UP again after %s",
		isStopped:   "was stopped while it was down",

		downSince: "%s is down since\n%s",
		why:       "Why: %s",
		now:       "Now: %s",
		counts:    "Deaths: %d, restarts: %d",
		requests:  "Requests that waited: %d, that failed: %d",
		restless:  "It goes up and down: %d incidents since\n%s.\nYou hear again once it has been well for %s.",
		probe:     "Probe at %s failed: %s",
		changed:   "Changed in the hour before:",
		next:      "What to do next:",

		printed:        "The last lines that it printed:",
		printedNothing: "It has printed nothing lately.",
		answersAgain:   "%s answers again.",
		downFor:        "It was down for %s",
		from:           "from  %s",
		until:          "until %s",
		stoppedByHand:  "%s was stopped by hand, or together with gateway, while it was down.",
		historyHint:    "Earlier incidents: gateway history",
		startHint:      "To start it: gateway backend start %s",

		onlyWatches: "gateway only watches it, since it has no command in the file. Start it where it is kept.",
		isBack:      "gateway has started it again, and it answers.",
		startsNow:   "gateway is starting it again. Requests wait meanwhile, as long as its hold allows.",
		served:      "its address is served by %s, which gateway did not start and leaves alone.",
		startsLater: "gateway starts it again at %s. It waits a little longer after each death.",
		watchesHang: "its process runs but does not answer as it should. gateway goes on probing, and starts it anew if that lasts.",

		readLog:       "Its latest output: gateway backend logs %s",
		wholeLog:      "All of its output: %s",
		seeStatus:     "How everything is: gateway status",
		adviseMemory:  "The machine had too little memory. See `journalctl -k`, add memory, or have the backend use less.",
		adviseCommand: "The program was not found or may not be run: correct command, dir and user of this [[backend]], then try `gateway check`.",
		adviseKilled:  "Somebody, or the kernel, killed it: see `journalctl -k`, and ask who works on this machine.",
		adviseCrash:   "The program itself crashed. Keep the lines below, and the core dump if there is one, for its developers.",
		adviseOutput:  "It ended by itself: the lines below usually say why.",
		adviseWatch:   "See whether its program runs, and look into its log.",
		adviseAsk:     "Ask it yourself: curl -v %s",

		changePhrases: changesInEnglish(),
		alarmPhrases:  alarmsInEnglish(),
	}
}

func changesInEnglish() changePhrases {
	return changePhrases{
		gatewayStarted:     "gateway started, version %s",
		gatewayUpgraded:    "gateway was upgraded to version %s",
		backendStarted:     "backend %s was started by hand",
		backendStopped:     "backend %s was stopped by hand",
		backendRestarted:   "backend %s was restarted by hand",
		certificateChanged: "another certificate is in use for %s",
		configReloaded:     "the file %s was reloaded",
	}
}
