package health

// alarmPhrases are the words of all notices that are not about a backend.
type alarmPhrases struct {
	expiresIn, expired                 string // site, how long
	replaced                           string // site
	certificateOf                      string // names
	validUntil                         string // when
	inFile                             string // path
	replaceFiles                       string
	notRenewed                         string // site, how long
	renewed                            string // site
	noneYet, hasOne                    string // site
	refusedMeanwhile                   string
	endedAt                            string // when
	renewalLate                        string // since when
	refused, refusedOver               string // site
	stillServed                        string // until when it is valid
	wrongWithIt, correctFiles          string
	wrongOne                           string // site
	looksAgain                         string
	inTheWay                           string
	triesOn                            string // when
	diskFull                           string // folder, free
	diskOver                           string // folder
	diskRoom                           string // folder, free, total
	diskFiles                          string // how many more
	diskMeans, diskLogs                string
	diskWho                            string // folder
	channelDown, channelWorks          string // channel
	channelFails                       string // channel, since
	keptAndTried, tryMail, alarmIsOver string
	lasted                             string // how long
	receiverRefused                    string // who
	receiverMissed                     string // subject
	receiverHint                       string
}

func alarmsInEnglish() alarmPhrases {
	return alarmPhrases{
		expiresIn:     "the certificate of %s ends in %s",
		expired:       "the certificate of %s ENDED %s ago",
		replaced:      "the certificate of %s is replaced",
		certificateOf: "The certificate for\n%s",
		validUntil:    "is valid until\n%s.\nAfter that, browsers refuse the site.",
		inFile:        "It is in %s",
		replaceFiles:  "What to do next: get a new one from your CA and put its files in place of the old ones. gateway uses them within seconds; no restart is needed.",
		notRenewed:    "the certificate of %s could NOT be renewed, and ends in %s",
		renewed:       "the certificate of %s is renewed",
		noneYet:       "%s has NO certificate yet",
		hasOne:        "%s has its certificate",
		endedAt:       "has ended at\n%s.\nIt is still shown, and clients refuse it.",
		renewalLate:   "gateway should have renewed it at\n%s,\nand tries on. See its log and `gateway status` for what is in the way.",
		looksAgain:    "gateway looks again every hour. `gateway certs show` tells the same.",
		refused:       "the new certificate of %s is NOT in use",
		refusedOver:   "the certificate of %s is in order again",
		wrongOne:      "something is wrong with the certificate of %s",
		inTheWay:      "What is wrong, and what to do:",
		triesOn:       "gateway tries again by itself at\n%s,\nor at once with `gateway certs renew NAME`. `gateway certs show` tells the same.",
		stillServed:   "gateway goes on with the old one, which is valid until\n%s.",
		wrongWithIt:   "What is wrong with the new files:",
		correctFiles:  "What to do next: correct the files. gateway looks at them every few seconds. `gateway check` tells the same.",
		diskFull:      "the disk of %s is nearly FULL: %s left",
		diskOver:      "the disk of %s has room again",
		diskRoom:      "The disk of %s has\n%s left of %s.",
		diskFiles:     "It can take only %d more files.",
		diskMeans:     "When it is full, logs end, certificates cannot be renewed, and notices are kept in memory only. Requests are still served.",
		diskWho:       "What takes the room: du -xh %s | sort -h | tail",
		diskLogs:      "gateway rotates its own logs: see max_size and keep in [log], log_max_size and log_keep in [[backend]].",
		channelDown:   "notices by %s do NOT arrive",
		channelWorks:  "notices by %s arrive again",
		channelFails:  "Notices by %s do not arrive since\n%s.",
		keptAndTried:  "They are kept and tried again. See `gateway mail queue`.",
		tryMail:       "Try it: gateway mail test",
		alarmIsOver:   "This is over.",
		lasted:        "It lasted %s.",

		refusedMeanwhile: "is not there yet. Until it is, a placeholder is shown, which clients refuse.",

		receiverRefused: "%s gets NO notices",
		receiverMissed:  "You got this notice, and others did not:\n%s",
		receiverHint:    "What to do next: correct `to` in [mail], and try it: gateway mail test",
	}
}

func alarmsInChinese() alarmPhrases {
	return alarmPhrases{
		expiresIn:     "%s 的证书将在 %s 后到期",
		expired:       "%s 的证书已过期 %s",
		replaced:      "%s 的证书已更换",
		certificateOf: "以下域名的证书\n%s",
		validUntil:    "有效期至\n%s。\n到期后浏览器会拒绝访问。",
		inFile:        "证书文件：%s",
		replaceFiles:  "下一步：向 CA 申请新证书，用新文件替换旧文件。gateway 几秒内就会启用，无需重启。",
		notRenewed:    "%s 的证书未能续期，将在 %s 后到期",
		renewed:       "%s 的证书已续期",
		noneYet:       "%s 还没有证书",
		hasOne:        "%s 已有证书",
		endedAt:       "已于\n%s\n到期。仍在使用，但客户端会拒绝。",
		renewalLate:   "gateway 本应在\n%s\n续期，现仍在尝试。原因请看它的日志和 `gateway status`。",
		looksAgain:    "gateway 每小时会再检查一次。`gateway certs show` 会给出同样的说明。",
		refused:       "%s 的新证书未被启用",
		refusedOver:   "%s 的证书恢复正常",
		wrongOne:      "%s 的证书有问题",
		inTheWay:      "问题和处理办法：",
		triesOn:       "gateway 将在\n%s\n自动重试，也可以用 `gateway certs renew NAME` 立即重试。`gateway certs show` 会给出同样的说明。",
		stillServed:   "gateway 继续使用旧证书，有效期至\n%s。",
		wrongWithIt:   "新文件的问题：",
		correctFiles:  "下一步：改正这些文件。gateway 每隔几秒会检查一次。`gateway check` 会给出同样的说明。",
		diskFull:      "%s 所在的磁盘快满了：还剩 %s",
		diskOver:      "%s 所在的磁盘又有空间了",
		diskRoom:      "%s 所在的磁盘还剩\n%s，共 %s。",
		diskFiles:     "还能再容纳 %d 个文件。",
		diskMeans:     "写满之后，日志会中断，证书无法续期，通知只能保存在内存中。请求仍会正常处理。",
		diskWho:       "查看占用空间的内容：du -xh %s | sort -h | tail",
		diskLogs:      "gateway 会轮转自己的日志：见 [log] 的 max_size 和 keep，以及 [[backend]] 的 log_max_size 和 log_keep。",
		channelDown:   "%s 通知无法送达",
		channelWorks:  "%s 通知恢复送达",
		channelFails:  "%s 通知无法送达，开始于\n%s。",
		keptAndTried:  "通知会保存并重试。见 `gateway mail queue`。",
		tryMail:       "测试：gateway mail test",
		alarmIsOver:   "已经结束。",
		lasted:        "持续了 %s。",

		refusedMeanwhile: "尚未取得。在此之前使用占位证书，客户端会拒绝。",

		receiverRefused: "%s 收不到通知",
		receiverMissed:  "以下通知您收到了，但有人没有收到：\n%s",
		receiverHint:    "下一步：改正 [mail] 的 to，然后测试：gateway mail test",
	}
}
