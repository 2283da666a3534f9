package mail

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func letterSample() *letter {
	raised := time.Date(2026, 11, 22, 17, 15, 6, 123456789, time.UTC)
	return &letter{
		id: "20261122T171506.123456789Z-5f0c9a1b", raised: raised,
		notice: Notice{
			Message: Message{
				To: []string{"Ops <admin@example.com>", "second@example.com"}, Subject: "www api is DOWN 后端", Body: "Line: one\n\nKey: value\n",
				MessageID: "2@www", InReplyTo: "1@www", References: []string{"0@www", "1@www"}, Date: raised,
			},
			Incident: "api 7", Kind: "reminder", Only: []string{"mail", "wecom"},
		},
		dropped: digest{3, raised.Add(-time.Hour), raised.Add(-time.Minute)},
		done:    []receiptLine{{"wecom", "", ""}, {"feishu", "", "19001 param invalid"}, {"mail", "second@example.com", "550 no such user"}},
		errands: []errand{
			{channel: "mail", pending: []string{"Ops <admin@example.com>"}, tries: 2, next: raised.Add(time.Minute), last: "refused"},
			{channel: "slack", pending: []string{""}},
		},
	}
}

func TestLetter_IsReadAsItWasWritten(t *testing.T) {
	want := letterSample()
	got, err := decodeLetter(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v\n%s", got, want, want.encode())
	}
}

func TestLetter_PassesOverWhatANewerGatewayWrote(t *testing.T) {
	content := bytes.Replace(letterSample().encode(), []byte("Kind:"), []byte("Colour: red\nKind:"), 1)
	if l, err := decodeLetter(content); err != nil || l.notice.Kind != "reminder" {
		t.Errorf("%+v, %v", l, err)
	}
}

func FuzzDecodeLetter(f *testing.F) {
	f.Add(letterSample().encode())
	f.Add([]byte("Notice: x\nRaised: 2026-11-22T17:15:06Z\nPending: mail\ta@b\nTried: mail\t1\tx\n\nbody"))
	f.Add([]byte("Notice: \n\n"))
	f.Add([]byte("Dropped: 1\n\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		first, err := decodeLetter(content)
		if err != nil {
			return
		}
		second, err := decodeLetter(first.encode())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%q", err, first.encode())
		}
		if third := second.encode(); !bytes.Equal(third, first.encode()) {
			t.Errorf("written twice:\n%q\n%q", first.encode(), third)
		}
	})
}
