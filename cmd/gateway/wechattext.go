package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"gateway/certs"
	"gateway/cmd/internal/wechat"
)

// printWeChatReport prints the list for people: a line an item, and below it what
// to do. Addresses where the same was seen share one list.
func printWeChatReport(w io.Writer, r wechat.Report) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.Target)
	var lists [][]wechat.Result
	for _, one := range r.Results {
		if last := len(lists) - 1; last < 0 || lists[last][0].Address != one.Address {
			lists = append(lists, nil)
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], one)
	}
	for i, list := range lists {
		alike := func(other []wechat.Result) bool { return slices.EqualFunc(list, other, sameResult) }
		if slices.ContainsFunc(lists[:i], alike) {
			continue
		}
		if list[0].Address != "" {
			fmt.Fprintln(&b, strings.Join(addressesOf(lists, alike), ", "))
		}
		writeWeChatList(&b, list)
	}
	fmt.Fprintf(&b, "\n%s\n", weChatVerdict(r))
	writeWeChatConsole(&b, r.Console)
	_, err := io.WriteString(w, b.String())
	return err
}

// sameResult compares what was seen; where all is well, how exactly does not matter.
func sameResult(a, b wechat.Result) bool {
	return a.Item == b.Item && a.Verdict == b.Verdict && (a.Seen == b.Seen || a.Verdict == certs.Passed)
}

func addressesOf(lists [][]wechat.Result, alike func([]wechat.Result) bool) []string {
	var addresses []string
	for _, list := range lists {
		if alike(list) {
			addresses = append(addresses, list[0].Address)
		}
	}
	return addresses
}

// writeWeChatList writes one line for all items in a row that were skipped for
// one reason.
func writeWeChatList(b *strings.Builder, list []wechat.Result) {
	for i := 0; i < len(list); {
		one, items := list[i], []string{list[i].Item}
		for i++; i < len(list) && one.Verdict == certs.Skipped && list[i].Verdict == certs.Skipped && list[i].Seen == one.Seen; i++ {
			items = append(items, list[i].Item)
		}
		name := one.Item
		if len(items) > 1 {
			name = strings.Join(items, ", ") + ":"
		}
		fmt.Fprintf(b, "  %-8s %-12s %s\n", one.Verdict, name, one.Seen)
		for _, remedy := range one.Remedies {
			fmt.Fprintf(b, "           -> %s\n", remedy)
		}
	}
}

// weChatVerdict is the whole in one line.
func weChatVerdict(r wechat.Report) string {
	var failed, warned []string
	for _, one := range r.Results {
		switch {
		case one.Verdict == certs.Failed && !slices.Contains(failed, one.Item):
			failed = append(failed, one.Item)
		case one.Verdict == certs.Warned && !slices.Contains(warned, one.Item):
			warned = append(warned, one.Item)
		}
	}
	switch {
	case len(failed) > 0:
		return "A phone would fail: " + strings.Join(failed, ", ")
	case len(warned) > 0:
		return "A phone would get through; warnings: " + strings.Join(warned, ", ")
	}
	return "A phone would get through."
}

func writeWeChatConsole(b *strings.Builder, c wechat.Console) {
	fmt.Fprintln(b, "\nFor WeChat's console (mp.weixin.qq.com, 开发管理, 开发设置, 服务器域名):")
	fmt.Fprintf(b, "  request       %s\n  socket        %s\n  uploadFile    %s\n  downloadFile  %s\n", c.Request, c.Socket, c.UploadFile, c.DownloadFile)
	for _, note := range c.Notes {
		fmt.Fprintf(b, "  - %s\n", note)
	}
}
