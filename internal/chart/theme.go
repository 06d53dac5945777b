package chart

import (
	"fmt"
	"math"
)

// ink is a colour as CSS has it, more or less opaque.
type ink struct {
	color   string
	opacity float64 // 0 to 1
}

func (k ink) faded(opacity float64) ink {
	k.opacity = opacity
	return k
}

func (k ink) fill() string   { return k.property("fill") }
func (k ink) stroke() string { return k.property("stroke") }

// property gives a property of a style the colour.
func (k ink) property(name string) string {
	style := name + ":" + k.color
	if k.opacity < 1 {
		style += ";" + name + "-opacity:" + number(k.opacity)
	}
	return style
}

// theme is the colours of a picture.
type theme struct {
	paper  string // "": what the page has
	text   ink    // titles, values
	soft   ink    // labels
	rule   ink    // grid
	series [8]ink
	low    ink // the heat of the least value
	high   ink // and of the greatest
	over   ink // text on strong heat
}

// printed is for white paper. The colours of the series follow Okabe and Ito,
// "Color Universal Design" (2008), which those with any colour vision can tell
// apart; the yellow, hard to see on white, is darkened.
var printed = theme{
	paper: "#ffffff",
	text:  hex(0x1d1c1a), soft: hex(0x57534c), rule: hex(0xe0dcd3),
	series: [8]ink{
		hex(0x0072b2), hex(0xd55e00), hex(0x009e73), hex(0xcc79a7),
		hex(0xe69f00), hex(0x56b4e9), hex(0x7d6b00), hex(0x4d4d4d),
	},
	low: hex(0x1f5c99), high: hex(0xa63808), over: hex(0xfefefe),
}

func hex(rgb uint32) ink { return ink{fmt.Sprintf("#%06x", rgb), 1} }

// paged is for a page, whose custom properties are the colours.
var paged = theme{
	text: custom("ink"), soft: custom("soft"), rule: custom("rule"),
	series: [8]ink{
		custom("c1"), custom("c2"), custom("c3"), custom("c4"),
		custom("c5"), custom("c6"), custom("c7"), custom("c8"),
	},
	low: custom("heat-low"), high: custom("heat-high"), over: custom("heat-text"),
}

func custom(name string) ink { return ink{"var(--" + name + ")", 1} }

// Style is the custom properties that pictures on a page use, as CSS for light
// and dark.
const Style = `:root {
  --ink: #1d1c1a; --soft: #68645c; --rule: #e4e0d7;
  --c1: #0072b2; --c2: #d55e00; --c3: #009e73; --c4: #cc79a7; --c5: #e69f00; --c6: #56b4e9; --c7: #7d6b00; --c8: #4d4d4d;
  --heat-low: #1f5c99; --heat-high: #a63808; --heat-text: #fefefe;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #ebe8e1; --soft: #a19c92; --rule: #35332f;
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
