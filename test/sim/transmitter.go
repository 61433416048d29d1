package sim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// A Transmitter sends security events (OpenID Shared Signals Framework 1.0): it signs with its own keys and serves its
// document, its keys, a token endpoint, the stream API, and polls. It does what a test asks, also what nobody should.
type Transmitter struct {
	Issuer       string // its base URL
	ClientID     string // of the receiver, with the secret "between-us"
	Inserted     bool   // serves its document where SSF has it; false: as RISC has it
	Legacy       bool   // knows the delivery methods of before SSF 1.0 only
	TokenSeconds int    // how long an access token lasts; zero: 600

	now    func() time.Time
	client *http.Client

	mu      sync.Mutex
	kids    []string // published
	down    bool     // the key set
	fetches int      // of the key set
	tokens  int      // given out
	valid   map[string]bool
	streams map[string]*FarStream
	made    int
	polled  chan struct{} // closed and made anew with each token that can be polled
}

// A FarStream is a stream as its transmitter has it.
type FarStream struct {
	ID, Status, Reason string
	Method, Endpoint   string
	Authorization      string
	Requested          []string
	Subjects           []string // added, as JSON
	Acked              []string
	Errs               map[string]map[string]string // by jti: err, description
	waiting            map[string]string            // by jti
	order              []string
}

// NewTransmitter makes one that lives at issuer, which its handler has to be reachable at.
func NewTransmitter(issuer string, now func() time.Time) *Transmitter {
	return &Transmitter{Issuer: issuer, ClientID: "drawbridge", Inserted: true, now: now, client: &http.Client{Timeout: 20 * time.Second}, kids: []string{"key-1"},
		valid: map[string]bool{}, streams: map[string]*FarStream{}, polled: make(chan struct{})}
}

// Publish replaces the ids of the published keys; Down takes the key set off the air.
func (t *Transmitter) Publish(kids ...string) { t.mu.Lock(); defer t.mu.Unlock(); t.kids = kids }

// Down is whether the key set answers 503.
func (t *Transmitter) Down(down bool) { t.mu.Lock(); defer t.mu.Unlock(); t.down = down }

// Fetches counts how often the key set was asked for.
func (t *Transmitter) Fetches() int { t.mu.Lock(); defer t.mu.Unlock(); return t.fetches }

// Tokens counts the access tokens given out.
func (t *Transmitter) Tokens() int { t.mu.Lock(); defer t.mu.Unlock(); return t.tokens }

// ForgetTokens makes those that were given out worthless.
func (t *Transmitter) ForgetTokens() { t.mu.Lock(); defer t.mu.Unlock(); clear(t.valid) }

// Stream is a copy of a stream; nil when there is none.
func (t *Transmitter) Stream(id string) *FarStream {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.streams[id]
	if !ok {
		return nil
	}
	out := *s
	out.Acked, out.Subjects = slices.Clone(s.Acked), slices.Clone(s.Subjects)
	return &out
}

// secEventKey is the key of a kid. All kids share few keys, which is enough to tell them apart.
func secEventKey(kid string) *rsa.PrivateKey {
	keys := pool()
	n := 0
	for _, c := range kid {
		n = n*31 + int(c)
	}
	return keys[(n%len(keys)+len(keys))%len(keys)]
}

// Compact signs claims under any header: RS256 with the key of its kid, HS256 with the public key as the secret, none with nothing.
func (t *Transmitter) Compact(header, claims any) string {
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := part(header) + "." + part(claims)
	var head struct{ Alg, Kid string }
	raw, _ := json.Marshal(header)
	_ = json.Unmarshal(raw, &head)
	key := secEventKey(head.Kid)
	var signature []byte
	switch head.Alg {
	case "none":
	case "HS256":
		mac := hmac.New(sha256.New, key.N.Bytes())
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	default:
		sum := sha256.Sum256([]byte(signed))
		var err error
		if signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			panic(err)
		}
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Token is a good token about one subject, signed with the first published key.
func (t *Transmitter) Token(audience, jti, event string, subject, payload map[string]any) string {
	t.mu.Lock()
	kid := append(slices.Clone(t.kids), "none")[0]
	t.mu.Unlock()
	if payload == nil {
		payload = map[string]any{}
	}
	return t.Compact(map[string]any{"alg": "RS256", "typ": "secevent+jwt", "kid": kid}, map[string]any{
		"iss": t.Issuer, "aud": audience, "iat": t.now().Unix(), "jti": jti, "sub_id": subject, "events": map[string]any{event: payload}})
}

// Push posts a token to a receiver and gives its answer.
func (t *Transmitter) Push(ctx context.Context, address, authorization, token string) (status int, header http.Header, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(token))
	if err != nil {
		return 0, nil, "", err
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(raw), err
}

// Queue has a token wait for a poll of a stream.
func (t *Transmitter) Queue(stream, jti, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.streams[stream]
	s.waiting[jti] = token
	s.order = append(s.order, jti)
	close(t.polled)
	t.polled = make(chan struct{})
}

// ServeHTTP answers what is below the issuer, and its document, which stands beside it.
func (t *Transmitter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(t.Issuer, "http://"+r.Host)
	known := "/.well-known/risc-configuration"
	if t.Inserted {
		known = "/.well-known/ssf-configuration"
	}
	switch at := r.URL.Path; {
	case at == strings.TrimSuffix(known+path, "/"):
		t.reply(w, http.StatusOK, t.document())
	case at == path+"/.well-known/openid-configuration": // it sends logout tokens too
		t.reply(w, http.StatusOK, map[string]any{"issuer": t.Issuer, "jwks_uri": t.Issuer + "/jwks", "authorization_endpoint": t.Issuer + "/authorize",
			"token_endpoint": t.Issuer + "/token", "response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	case at == path+"/jwks":
		t.jwks(w)
	case at == path+"/token":
		t.token(w, r)
	case strings.HasPrefix(at, path+"/") && !t.lets(r):
		t.reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
	case at == path+"/stream":
		t.stream(w, r)
	case at == path+"/status":
		t.status(w, r)
	case at == path+"/verify":
		t.verify(w, r)
	case at == path+"/subjects:add", at == path+"/subjects:remove":
		t.subject(w, r, strings.HasSuffix(at, "add"))
	case strings.HasPrefix(at, path+"/poll/"):
		t.poll(w, r, strings.TrimPrefix(at, path+"/poll/"))
	case strings.HasPrefix(at, path+"/scim/Users/"):
		t.reply(w, http.StatusOK, map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "id": at[strings.LastIndexByte(at, '/')+1:],
			"userName": "fetched", "active": true, "emails": []any{map[string]any{"value": r.URL.Query().Get("x") + "fetched@acme.example", "primary": true}}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (t *Transmitter) document() map[string]any {
	methods := []string{"urn:ietf:rfc:8935", "urn:ietf:rfc:8936"}
	if t.Legacy {
		methods = []string{"https://schemas.openid.net/secevent/risc/delivery-method/push", "https://schemas.openid.net/secevent/risc/delivery-method/poll"}
	}
	return map[string]any{"spec_version": "1_0", "issuer": t.Issuer, "jwks_uri": t.Issuer + "/jwks", "delivery_methods_supported": methods,
		"configuration_endpoint": t.Issuer + "/stream", "status_endpoint": t.Issuer + "/status", "add_subject_endpoint": t.Issuer + "/subjects:add",
		"remove_subject_endpoint": t.Issuer + "/subjects:remove", "verification_endpoint": t.Issuer + "/verify", "default_subjects": "NONE",
		"authorization_schemes": []any{map[string]any{"spec_urn": "urn:ietf:rfc:6749"}}}
}

func (t *Transmitter) reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (t *Transmitter) jwks(w http.ResponseWriter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetches++
	if t.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var set jose.JSONWebKeySet
	for _, kid := range t.kids {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: secEventKey(kid).Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"})
	}
	t.reply(w, http.StatusOK, set)
}

func (t *Transmitter) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	id, secret, ok := r.BasicAuth()
	if !ok || id != t.ClientID || secret != "between-us" || r.PostForm.Get("grant_type") != "client_credentials" {
		t.reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens++
	token := fmt.Sprint("access-", t.tokens)
	t.valid[token] = true
	life := t.TokenSeconds
	if life == 0 {
		life = 600
	}
	t.reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": r.PostForm.Get("scope")})
}

func (t *Transmitter) lets(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && (t.valid[token] || token == "given-by-hand")
}

func (t *Transmitter) stream(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := r.URL.Query().Get("stream_id")
	switch r.Method {
	case http.MethodPost:
		var in struct {
			Delivery struct {
				Method        string `json:"method"`
				Endpoint      string `json:"endpoint_url"`
				Authorization string `json:"authorization_header"`
			}
			Requested []string `json:"events_requested"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Requested) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		t.made++
		s := &FarStream{ID: fmt.Sprint("far-", t.made), Status: "enabled", Method: in.Delivery.Method, Endpoint: in.Delivery.Endpoint, Authorization: in.Delivery.Authorization,
			Requested: in.Requested, waiting: map[string]string{}, Errs: map[string]map[string]string{}}
		delivery := map[string]any{"method": s.Method, "endpoint_url": s.Endpoint}
		if s.Endpoint == "" {
			delivery["endpoint_url"] = t.Issuer + "/poll/" + s.ID
		}
		t.streams[s.ID] = s
		t.reply(w, http.StatusCreated, map[string]any{"stream_id": s.ID, "iss": t.Issuer, "aud": "receiver-" + s.ID, "delivery": delivery, "events_delivered": s.Requested})
	case http.MethodDelete:
		if t.streams[id] == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		delete(t.streams, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// asked reads a body that names a stream; nil, after an answer, when there is none.
func (t *Transmitter) asked(w http.ResponseWriter, r *http.Request, into any) *FarStream {
	raw, _ := io.ReadAll(r.Body)
	var name struct {
		Stream string `json:"stream_id"`
	}
	if json.Unmarshal(raw, &name) != nil || json.Unmarshal(raw, into) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return nil
	}
	s := t.streams[name.Stream]
	if s == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	return s
}

func (t *Transmitter) status(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.streams[r.URL.Query().Get("stream_id")]
	if r.Method == http.MethodPost {
		var in struct{ Status, Reason string }
		if s = t.asked(w, r, &in); s == nil {
			return
		}
		s.Status, s.Reason = in.Status, in.Reason
	}
	if s == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	t.reply(w, http.StatusOK, map[string]any{"stream_id": s.ID, "status": s.Status, "reason": s.Reason})
}

func (t *Transmitter) subject(w http.ResponseWriter, r *http.Request, add bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var in struct{ Subject json.RawMessage }
	s := t.asked(w, r, &in)
	if s == nil {
		return
	}
	if !add {
		s.Subjects = slices.DeleteFunc(s.Subjects, func(have string) bool { return have == string(in.Subject) })
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.Subjects = append(s.Subjects, string(in.Subject))
	w.WriteHeader(http.StatusOK)
}

// verify answers 204 and has the event follow, pushed or to be polled.
func (t *Transmitter) verify(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	var in struct{ State string }
	s := t.asked(w, r, &in)
	if s == nil {
		t.mu.Unlock()
		return
	}
	endpoint, authorization, id, jti := s.Endpoint, s.Authorization, s.ID, fmt.Sprint("verification-", in.State)
	t.mu.Unlock()
	token := t.Token("receiver-"+id, jti, "https://schemas.openid.net/secevent/ssf/event-type/verification", map[string]any{"format": "opaque", "id": id}, map[string]any{"state": in.State})
	if endpoint == "" {
		t.Queue(id, jti, token)
	} else if _, _, _, err := t.Push(r.Context(), endpoint, authorization, token); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// poll answers as RFC 8936 has it, at once when it may not wait.
func (t *Transmitter) poll(w http.ResponseWriter, r *http.Request, id string) {
	var in struct {
		Max  *int `json:"maxEvents"`
		Now  bool `json:"returnImmediately"`
		Ack  []string
		Errs map[string]map[string]string `json:"setErrs"`
	}
	raw, _ := io.ReadAll(r.Body)
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for {
		t.mu.Lock()
		s := t.streams[id]
		if s == nil {
			t.mu.Unlock()
			w.WriteHeader(http.StatusNotFound)
			return
		}
		for _, jti := range in.Ack {
			delete(s.waiting, jti)
			s.Acked = append(s.Acked, jti)
		}
		for jti, e := range in.Errs {
			delete(s.waiting, jti)
			s.Errs[jti] = e
		}
		in.Ack, in.Errs = nil, nil
		s.order = slices.DeleteFunc(s.order, func(jti string) bool { _, waits := s.waiting[jti]; return !waits })
		sets := map[string]string{}
		for _, jti := range s.order {
			if in.Max == nil || len(sets) < *in.Max {
				sets[jti] = s.waiting[jti]
			}
		}
		more, news := len(s.order) > len(sets), t.polled
		t.mu.Unlock()
		if len(sets) > 0 || in.Now || in.Max != nil && *in.Max == 0 {
			t.reply(w, http.StatusOK, map[string]any{"sets": sets, "moreAvailable": more})
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
	}
}
