// Checks notes, proofs and tile paths with the packages note and tlog of Go's checksum database.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"checked/note"
	"checked/tlog"
)

type tile struct {
	Level, Number int64
	Width         int
	Path          string
}

type given struct {
	Keys        []string
	SigningKey  string
	Notes       []string
	Text        string
	Index, Size int64
	Old         int64
	Leaf        []byte
	Root        []byte
	OldRoot     []byte
	Inclusion   [][]byte
	Consistency [][]byte
	Tiles       []tile
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func hash(raw []byte) (h tlog.Hash) {
	copy(h[:], raw)
	return h
}

func hashes(raw [][]byte) (all []tlog.Hash) {
	for _, one := range raw {
		all = append(all, hash(one))
	}
	return all
}

func main() {
	var in given
	must(json.NewDecoder(os.Stdin).Decode(&in))
	var verifiers []note.Verifier
	for _, key := range in.Keys {
		verifier, err := note.NewVerifier(key)
		must(err)
		verifiers = append(verifiers, verifier)
	}
	for _, text := range in.Notes {
		opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
		must(err)
		if len(opened.Sigs) == 0 {
			log.Fatal("no known signature")
		}
	}
	must(tlog.CheckRecord(hashes(in.Inclusion), in.Size, hash(in.Root), in.Index, tlog.RecordHash(in.Leaf)))
	must(tlog.CheckTree(hashes(in.Consistency), in.Size, hash(in.Root), in.Old, hash(in.OldRoot)))
	for _, one := range in.Tiles {
		path := tlog.Tile{H: 8, L: int(one.Level), N: one.Number, W: one.Width}.Path()
		if path != "tile/8/"+one.Path[len("tile/"):] {
			log.Fatalf("%s is not %s", one.Path, path)
		}
	}
	signer, err := note.NewSigner(in.SigningKey)
	must(err)
	signed, err := note.Sign(&note.Note{Text: in.Text}, signer)
	must(err)
	fmt.Print(string(signed))
}
