package chart

import (
	"fmt"
	"image/color"
	"math"
	"strings"
)

// ink is a colour that the SVG writer states exactly, whatever its opacity. (It
// divides by the opacity and cuts off what is behind the point: so each channel
// is given as half a step more.)
type ink struct {
	r, g, b uint8
	opacity float64
}

// RGBA implements color.Color.
func (k ink) RGBA() (r, g, b, a uint32) {
	a = uint32(math.Round(k.opacity * 0xffff))
	channel := func(v uint8) uint32 { return min((2*uint32(v)+1)*a/510, a) }
	return channel(k.r), channel(k.g), channel(k.b), a
}

func (k ink) faded(opacity float64) ink {
	k.opacity = opacity
	return k
}

// theme is the colours of a picture.
type theme struct {
	paper  color.Color // nil: what the page has
	text   ink         // titles, values
	soft   ink         // labels
	rule   ink         // grid
	series [8]ink
	low    ink // the heat of the least value
	high   ink // and of the greatest
	over   ink // text on strong heat
}

// printed is for white paper. The colours of the series follow Okabe and Ito,
// "Color Universal Design" (2008), which those with any colour vision can tell
// apart; the yellow, hard to see on white, is darkened.
var printed = theme{
	paper: color.White,
	text:  hex(0x1d1c1a), soft: hex(0x57534c), rule: hex(0xe0dcd3),
	series: [8]ink{
		hex(0x0072b2), hex(0xd55e00), hex(0x009e73), hex(0xcc79a7),
		hex(0xe69f00), hex(0x56b4e9), hex(0x7d6b00), hex(0x4d4d4d),
	},
	low: hex(0x1f5c99), high: hex(0xa63808), over: hex(0xfefefe),
}

func hex(rgb uint32) ink { return ink{uint8(rgb >> 16), uint8(rgb >> 8), uint8(rgb), 1} }

// properties are the custom properties of a page, in the order of their
// placeholders.
var properties = []string{
	"--soft", "--rule", "--accent", "--ink",
	"--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8",
	"--heat-low", "--heat-high", "--heat-text",
}

// placeholder is a colour that stands for a custom property in a picture.
func placeholder(i int) ink { return ink{1, 2, uint8(3 + i), 1} }

// paged is for a page: each colour stands for a custom property.
var paged = theme{
	soft: placeholder(0), rule: placeholder(1), text: placeholder(3),
	series: [8]ink{
		placeholder(4), placeholder(5), placeholder(6), placeholder(7),
		placeholder(8), placeholder(9), placeholder(10), placeholder(11),
	},
	low: placeholder(12), high: placeholder(13), over: placeholder(14),
}

// inks puts the custom properties in the place of their placeholders.
var inks = func() *strings.Replacer {
	var pairs []string
	for i, name := range properties {
		k := placeholder(i)
		pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", k.r, k.g, k.b), "var("+name+")")
	}
	return strings.NewReplacer(pairs...)
}()

// Style is the custom properties that pictures on a page use, as CSS for light
// and dark.
const Style = `:root {
  --ink: #1d1c1a; --soft: #68645c; --rule: #e4e0d7; --accent: #2d5f8b;
  --c1: #0072b2; --c2: #d55e00; --c3: #009e73; --c4: #cc79a7; --c5: #e69f00; --c6: #56b4e9; --c7: #7d6b00; --c8: #4d4d4d;
  --heat-low: #1f5c99; --heat-high: #a63808; --heat-text: #fefefe;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #ebe8e1; --soft: #a19c92; --rule: #35332f; --accent: #7fb2df;
    --c1: #4a9fe0; --c2: #f2813e; --c3: #2fc297; --c4: #e39cc5; --c5: #f0b53a; --c6: #93d2f8; --c7: #e3d85c; --c8: #b8b4ab;
    --heat-low: #3576b8; --heat-high: #b9512a; --heat-text: #fefefe;
  }
}
`

// heat is the colour of a cell, from the lowest at -1 to the highest at 1: more
// or less opaque, so that it goes with light and dark.
func (t *theme) heat(level float64) ink {
	end := t.high
	if level < 0 {
		end = t.low
	}
	return end.faded(0.04 + 0.96*math.Abs(level))
}

// strong is the heat from which light text has more contrast than dark.
const strong = 0.755

// on is the colour of text on heat.
func (t *theme) on(level float64) ink {
	if math.Abs(level) > strong {
		return t.over
	}
	return t.text
}
