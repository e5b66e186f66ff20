// Registers a user with the strict profile, with Go's standard library only.
//
//	COUNTERSIGN_URL=<base URL of a Region> COUNTERSIGN_API_KEY=csk_… go run examples/go/register.go [user_id]
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

var (
	client    = &http.Client{Timeout: 10 * time.Second}
	base64url = base64.RawURLEncoding
)

func main() {
	log.SetFlags(0)
	url, apiKey := strings.TrimSuffix(os.Getenv("COUNTERSIGN_URL"), "/"), os.Getenv("COUNTERSIGN_API_KEY")
	parts := strings.Split(apiKey, "_")
	if url == "" || len(parts) != 5 || parts[0] != "csk" {
		log.Fatal("set COUNTERSIGN_URL (a Region's) and COUNTERSIGN_API_KEY (it begins with csk_)")
	}
	userID := "rob"
	if len(os.Args) > 1 {
		userID = os.Args[1]
	}
	body, err := json.Marshal(map[string]any{"user_id": userID, "email": userID + "@example.com"})
	check(err)

	var discovery struct{ Issuer string }
	fetch(url+"/.well-known/countersign", &discovery)
	var issued struct{ Nonce string }
	fetch(url+"/v1/nonce?client_id="+parts[1], &issued)

	nonce := issued.Nonce
	for try := 1; ; try++ {
		proof := prove(apiKey, discovery.Issuer, "POST", url+"/v1/register", body, nonce, time.Now())
		request, err := http.NewRequest("POST", url+"/v1/register", bytes.NewReader(body))
		check(err)
		request.Header.Set("Authorization", "JWT "+proof)
		request.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(request)
		check(err)
		text, err := io.ReadAll(answer.Body)
		check(err)
		answer.Body.Close()
		var problem struct{ Code string }
		// An answer without a code is no problem document.
		_ = json.Unmarshal(text, &problem)
		fresh := answer.Header.Get("Replay-Nonce")
		if try == 1 && problem.Code == "use_nonce" && fresh != "" {
			nonce = fresh // the refusal brings another: once more with that
			continue
		}
		fmt.Println(answer.StatusCode, string(text))
		if answer.StatusCode != http.StatusCreated {
			os.Exit(1)
		}
		return
	}
}

// prove returns a strict proof for one request, signed with HS256: a compact JWS (RFC 7515).
func prove(apiKey, issuer, method, url string, body []byte, nonce string, now time.Time) string {
	parts := strings.Split(apiKey, "_")
	jti := make([]byte, 16)
	_, err := rand.Read(jti)
	check(err)
	digest := sha256.Sum256(body)
	header := map[string]any{"alg": "HS256", "typ": "countersign-proof+jwt", "kid": parts[2]}
	claims := map[string]any{
		"iss": parts[1], "aud": issuer, "jti": base64url.EncodeToString(jti),
		"iat": now.Unix(), "exp": now.Unix() + 120, "htm": method, "htu": url,
		"fingerprint": base64url.EncodeToString(digest[:]), "nonce": nonce,
	}
	signed := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte(signed))
	return signed + "." + base64url.EncodeToString(mac.Sum(nil))
}

func encode(value any) string {
	text, err := json.Marshal(value)
	check(err)
	return base64url.EncodeToString(text)
}

func fetch(url string, into any) {
	answer, err := client.Get(url)
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s answered %s", url, answer.Status)
	}
	check(json.NewDecoder(answer.Body).Decode(into))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
