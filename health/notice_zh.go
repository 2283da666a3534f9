package health

func chinese() phrases {
	return phrases{
		units:       units{" 毫秒", " 秒", " 分", " 小时", " 天"},
		isDown:      "is DOWN 已宕机",
		isDownAgain: "is DOWN 再次宕机",
		isStillDown: "is DOWN 仍未恢复，已 %s",
		isUp:        "is UP 已恢复，宕机 %s",
		isStopped:   "宕机期间被停止",

		downSince: "%s 已宕机，开始于\n%s",
		why:       "原因：%s",
		now:       "当前：%s",
		counts:    "进程退出 %d 次，重启 %d 次",
		requests:  "等待过的请求 %d 个，失败的请求 %d 个",
		restless:  "它反复宕机又恢复：共 %d 次，自\n%s\n持续正常 %s 后会再通知您。",
		probe:     "%s 的探测失败：%s",
		changed:   "此前一小时内的变更：",
		next:      "下一步可以做：",

		printed:        "它最后输出的内容：",
		printedNothing: "它最近没有任何输出。",
		answersAgain:   "%s 已恢复响应。",
		downFor:        "宕机时长：%s",
		from:           "从 %s",
		until:          "到 %s",
		stoppedByHand:  "%s 在宕机期间被手动停止，或随 gateway 一起停止。",
		historyHint:    "以往的事件：gateway history",
		startHint:      "启动它：gateway backend start %s",

		onlyWatches: "配置文件中没有它的 command,gateway 只监视它。请在它所在的地方启动它。",
		isBack:      "gateway 已将它重新启动，它已能响应。",
		startsNow:   "gateway 正在重新启动它，其间请求会在 hold 允许的时间内等待。",
		served:      "它的地址由 %s 占用，该进程不是 gateway 启动的，gateway 不会动它。",
		startsLater: "gateway 将在 %s 再次启动它。每次退出后等待时间会更长一些。",
		watchesHang: "它的进程还在，但响应不正常。gateway 会继续探测，若持续下去就重新启动它。",

		readLog:       "查看它的最新输出：gateway backend logs %s",
		wholeLog:      "它的全部输出：%s",
		seeStatus:     "查看整体状态：gateway status",
		adviseMemory:  "机器内存不足。请查看 `journalctl -k`，增加内存，或减少后端的内存占用。",
		adviseCommand: "找不到程序或没有执行权限：请改正该 [[backend]] 的 command、dir 和 user，再运行 `gateway check`。",
		adviseKilled:  "它被人或内核杀死：请查看 `journalctl -k`，并询问还有谁在使用这台机器。",
		adviseCrash:   "程序自身崩溃。请把下面的输出和核心转储（如果有）交给开发者。",
		adviseOutput:  "它自己退出了：下面的输出通常会说明原因。",
		adviseWatch:   "请检查它的程序是否在运行，并查看它的日志。",
		adviseAsk:     "亲自请求一次：curl -v %s",

		exitOOM:     "内存不足，被内核杀死",
		exitUnknown: "已退出;退出码未知，因为它是由先前的 gateway 启动的",
		exitSignal:  "被信号 %d (%s) 杀死",
		exitCode:    "退出，退出码 %d",
		exitNotByUs: "，不是 gateway 所为",

		changePhrases: changesInChinese(),
		alarmPhrases:  alarmsInChinese(),
	}
}

func changesInChinese() changePhrases {
	return changePhrases{
		gatewayStarted:     "gateway 启动，版本 %s",
		gatewayUpgraded:    "gateway 升级到版本 %s",
		backendStarted:     "后端 %s 被手动启动",
		backendStopped:     "后端 %s 被手动停止",
		backendRestarted:   "后端 %s 被手动重启",
		certificateChanged: "%s 换用了新的证书",
		configReloaded:     "重新加载了配置文件 %s",
	}
}
