package main

import (
	"encoding/json"
	"fmt"
	"syscall/js"
)

func main() {
	e := &engineOf{yield: newYield()}
	js.Global().Set("bankai", map[string]any{
		"open":     promised(func(args []js.Value) (any, error) { return e.open(args[0].String(), bytesOf(args[1])) }),
		"patch":    promised(func(args []js.Value) (any, error) { return e.patch(args[0].String(), bytesOf(args[1])) }),
		"generate": promised(func(args []js.Value) (any, error) { return e.generate(args[0], args[1]) }),
		"logits":   promised(func(args []js.Value) (any, error) { return e.logits(args[0]) }),
		"stop": promised(func([]js.Value) (any, error) {
			e.stop()
			return nil, nil
		}),
	})
	select {} // the functions go on being called
}

// promised is a function of the page's whose work is done in a goroutine of its own, and
// that returns a promise of the document that the work returns.
func promised(work func(args []js.Value) (any, error)) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		var begin js.Func
		begin = js.FuncOf(func(_ js.Value, ends []js.Value) any {
			defer begin.Release()
			go func() {
				doc, err := safely(work, args)
				if err != nil {
					ends[1].Invoke(js.Global().Get("Error").New(err.Error()))
					return
				}
				ends[0].Invoke(doc)
			}()
			return nil
		})
		return js.Global().Get("Promise").New(begin)
	})
}

// safely makes an error of a panic, which would end the program and all that it keeps, and
// a JavaScript value of a document.
func safely(work func(args []js.Value) (any, error), args []js.Value) (v js.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine has a fault: %v", p)
		}
	}()
	doc, err := work(args)
	if err != nil || doc == nil {
		return js.Undefined(), err
	}
	return valueOf(doc)
}

// valueOf is a document as JavaScript has it.
func valueOf(doc any) (js.Value, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return js.Undefined(), err
	}
	return js.Global().Get("JSON").Call("parse", string(text)), nil
}

// read fills in a document from a value of JavaScript's.
func read(v js.Value, doc any) error {
	text := js.Global().Get("JSON").Call("stringify", v)
	return json.Unmarshal([]byte(text.String()), doc)
}

// bytesOf copies a Uint8Array.
func bytesOf(v js.Value) []byte {
	b := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(b, v)
	return b
}

// yield lets the worker hear its messages. A timer would do it, too, but takes 4 ms.
type yield struct {
	port  js.Value
	heard chan struct{}
}

func newYield() *yield {
	y := &yield{heard: make(chan struct{}, 1)}
	channel := js.Global().Get("MessageChannel").New()
	y.port = channel.Get("port2")
	channel.Get("port1").Set("onmessage", js.FuncOf(func(js.Value, []js.Value) any {
		y.heard <- struct{}{}
		return nil
	}))
	return y
}

// pause returns when the messages that had come before have been heard.
func (y *yield) pause() {
	y.port.Call("postMessage", js.Null())
	<-y.heard
}
