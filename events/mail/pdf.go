package mail

import (
	"bytes"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// A Sheet is a page of paper that goes with a letter, in words.
type Sheet struct {
	File  string // name of the attachment
	Title string
	Facts [][2]string // what, and its value
	Body  []string    // paragraphs
}

// Measures of an A4 sheet, in millimetres.
const (
	sheetMargin = 25.0
	factWidth   = 45.0
	lineHeight  = 6.5
)

// draw makes a PDF of a sheet (ISO 32000): A4, selectable text, in the Go fonts, which have Latin, Greek and Cyrillic letters. at is when it says it was made.
func (s Sheet) draw(at time.Time) ([]byte, error) {
	p := fpdf.New("P", "mm", "A4", "")
	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.SetCatalogSort(true) // the same sheet is the same bytes
	p.SetTitle(s.Title, true)
	p.SetCreationDate(at)
	p.SetModificationDate(at)
	p.SetMargins(sheetMargin, sheetMargin, sheetMargin)
	p.SetAutoPageBreak(true, sheetMargin)
	p.AddPage()
	width, _ := p.GetPageSize()
	p.SetFont("go", "B", 20)
	p.MultiCell(0, 10, s.Title, "", "L", false)
	p.Ln(lineHeight)
	for _, f := range s.Facts {
		top := p.GetY()
		p.SetFont("go", "", 10.5)
		p.MultiCell(factWidth, lineHeight, f[0], "", "L", false)
		left := p.GetY()
		p.SetXY(sheetMargin+factWidth, top)
		p.SetFont("go", "B", 10.5)
		p.MultiCell(width-2*sheetMargin-factWidth, lineHeight, f[1], "", "L", false)
		p.SetY(max(left, p.GetY()))
	}
	p.Ln(lineHeight)
	p.SetFont("go", "", 10.5)
	for _, paragraph := range s.Body {
		p.MultiCell(0, lineHeight, strings.Join(strings.Fields(paragraph), " "), "", "L", false)
		p.Ln(lineHeight / 2)
	}
	var out bytes.Buffer
	err := p.Output(&out)
	return out.Bytes(), err
}

// facts reads lines of "what: value"; one without a value is left out.
func facts(text string) (out [][2]string) {
	for line := range strings.SplitSeq(text, "\n") {
		what, value, _ := strings.Cut(line, ":")
		if value = oneLine(strings.TrimSpace(value)); value != "" {
			out = append(out, [2]string{oneLine(strings.TrimSpace(what)), value})
		}
	}
	return out
}
