package outbound

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

const agent = "drawbridge"

// webhookRequest is one try at a webhook (Standard Webhooks 1.0): webhook-id stays the same over all tries, and the signature is made by
// every secret that is valid, so that a receiver can change over when it likes.
func webhookRequest(ctx context.Context, p store.Parcel, d account.Delivery, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(letter{Type: d.Type, Timestamp: d.About.At.UTC().Format(time.RFC3339Nano), Data: dataOf(d.Type, d.About)})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Feed.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(p.Secrets))
	for i, s := range p.Secrets {
		if signatures[i], err = sign(s, string(d.ID), at, body); err != nil {
			return nil, err
		}
	}
	if len(signatures) == 0 {
		return nil, fmt.Errorf("the feed has no secret to sign with")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", agent)
	r.Header.Set("webhook-id", string(d.ID))
	r.Header.Set("webhook-timestamp", at)
	r.Header.Set("webhook-signature", strings.Join(signatures, " "))
	return r, nil
}

// sign is a v1 signature: HMAC-SHA256 over id, timestamp and body, by the bytes that the secret spells.
func sign(secret account.Secret, id, at string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
	if err != nil {
		return "", fmt.Errorf("the secret of the webhook is no base64: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// A letter is the payload of a webhook.
type letter struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // RFC 3339: when it happened
	Data      data   `json:"data"`
}

// data is what an announcement is about. What does not apply is left out.
type data struct {
	Account    account.AccountID    `json:"account"`
	User       *person              `json:"user,omitempty"`
	Session    account.SessionID    `json:"session,omitempty"`
	Sessions   int                  `json:"sessions_ended,omitempty"`
	Keys       int                  `json:"keys_revoked,omitempty"`
	Key        *key                 `json:"key,omitempty"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	Feed       account.FeedID       `json:"feed,omitempty"`
	Everywhere bool                 `json:"everywhere,omitempty"` // the person was disabled in all accounts
	Roles      []account.RoleAt     `json:"roles,omitempty"`      // those granted or withdrawn
	Reason     string               `json:"reason,omitempty"`
	Receipt    account.ReceiptID    `json:"receipt,omitempty"`
	Txn        string               `json:"txn"`
	Actor      string               `json:"actor"`
}

type person struct {
	ID    account.UserID `json:"id"`
	Email string         `json:"email,omitempty"`
}

type key struct {
	ID   account.KeyID `json:"id"`
	Name string        `json:"name,omitempty"`
}

func dataOf(word string, a account.Announcement) data {
	d := data{Account: a.Account, Session: a.Session, Sessions: a.Sessions, Keys: a.Keys, Connection: a.Connection, Feed: a.Feed,
		Everywhere: a.Everywhere, Reason: a.Reason, Receipt: a.Receipt, Txn: a.Txn, Actor: a.By}
	if a.User != "" {
		d.User = &person{a.User, a.Email}
	}
	if a.Key != "" {
		d.Key = &key{a.Key, a.KeyName}
	}
	switch word {
	case account.WordRoleGranted:
		d.Roles = a.Granted
	case account.WordRoleWithdrawn:
		d.Roles = a.Withdrawn
	}
	return d
}
