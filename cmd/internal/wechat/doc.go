// Package wechat asks a server what a mini-program on a phone would ask it, and
// tells what WeChat would refuse, and what to do about it.
//
// The rules are those of WeChat's document on the network of mini-programs
// (https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html)
// and of Apple's App Transport Security, which it refers to. What concerns TLS
// and certificates is decided by the room certs.
//
// Nothing is changed on the server: it gets one POST with an empty JSON object,
// one GET of a path that is nowhere, and one WebSocket that is closed at once.
// Every wait is bounded, and every item is looked at even if another one fails.
package wechat
