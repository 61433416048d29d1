package passwords

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // the format of published lists; it protects nothing here
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

//go:embed common.txt
var common string

// Breached is a list of passwords that attackers try first, because they were in somebody's stolen list.
type Breached struct {
	plain map[string]bool // in lower case
	sums  *sums
}

// Common is the short list that ships with the house: what people who have to meet a rule of classes type most.
func Common() *Breached {
	b := &Breached{plain: map[string]bool{}}
	_ = b.add(strings.NewReader(common)) // a test reads it too
	return b
}

// mostPlain is how large a list of plain passwords may be, which is kept in memory.
const mostPlain = 64 << 20

// ReadBreached takes an operator's list: one password a line, or SHA-1 sums in hexadecimal, sorted, with or without ":count", as published
// lists come. Sums are looked up where they are, however many there are; plain ones are read into memory, at most 64 MB. The list stays open.
func ReadBreached(list io.ReaderAt, size int64) (*Breached, error) {
	first, err := bufio.NewReaderSize(io.NewSectionReader(list, 0, size), 1<<10).ReadString('\n')
	if err != nil && err != io.EOF {
		return nil, err
	}
	if _, ok := sumOf(first); ok {
		return &Breached{sums: &sums{list, size}}, nil
	}
	if size > mostPlain {
		return nil, fmt.Errorf("passwords: a list of plain passwords has at most %d MB, this one has %d; hash and sort it", mostPlain>>20, size>>20)
	}
	b := &Breached{plain: map[string]bool{}}
	return b, b.add(io.NewSectionReader(list, 0, size))
}

func (b *Breached) add(from io.Reader) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if p, normal := Normal(lines.Text()); normal == nil && !strings.HasPrefix(p, "# ") {
			b.plain[strings.ToLower(p)] = true
		}
	}
	return lines.Err()
}

// Has reports whether a normal password is in the list. In a list of plain ones the case of letters makes no difference. A nil list has none.
func (b *Breached) Has(password string) (bool, error) {
	switch {
	case b == nil:
		return false, nil
	case b.sums == nil:
		return b.plain[strings.ToLower(password)], nil
	}
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	return b.sums.has(strings.ToUpper(hex.EncodeToString(sum[:])))
}

// sums is a sorted file of lines that begin with 40 hexadecimal digits.
type sums struct {
	io.ReaderAt
	size int64
}

const longestLine = 128

// has halves the file until the line is found where the sum would stand.
func (s *sums) has(want string) (bool, error) {
	low, high := int64(0), s.size // the line, if there is one, begins in [low, high)
	for low < high {
		middle := low + (high-low)/2
		line, begins, next, err := s.lineAt(middle, low)
		if err != nil {
			return false, err
		}
		got, ok := sumOf(line)
		switch {
		case !ok:
			return false, fmt.Errorf("passwords: the list of sums has a line at byte %d that is none", begins)
		case got == want:
			return true, nil
		case got < want:
			low = next
		default:
			high = begins
		}
	}
	return false, nil
}

// lineAt reads the line that holds the byte at, which begins no earlier than low.
func (s *sums) lineAt(at, low int64) (line string, begins, next int64, err error) {
	from := max(low, at-longestLine)
	buf := make([]byte, min(s.size-from, 3*longestLine))
	if n, err := s.ReadAt(buf, from); err != nil && (err != io.EOF || n < len(buf)) {
		return "", 0, 0, err
	}
	head := bytes.LastIndexByte(buf[:at-from], '\n') + 1
	tail := bytes.IndexByte(buf[head:], '\n')
	if tail < 0 {
		return string(buf[head:]), from + int64(head), s.size, nil
	}
	return string(buf[head : head+tail]), from + int64(head), from + int64(head+tail) + 1, nil
}

// sumOf is the sum that a line begins with, in upper case.
func sumOf(line string) (string, bool) {
	line, _, _ = strings.Cut(strings.TrimRight(line, "\r\n"), ":")
	if _, err := hex.DecodeString(line); err != nil || len(line) != 40 {
		return "", false
	}
	return strings.ToUpper(line), true
}
