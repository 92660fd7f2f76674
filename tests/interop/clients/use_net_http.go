// Go's net/http with nothing but the environment: a GET and a POST with one client, or a stream.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const url = "https://api.openai.com/v1"

func send(method, path, body string) io.ReadCloser {
	request, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	return answer.Body
}

func main() {
	if os.Args[1] == "stream" {
		lines := bufio.NewScanner(send("POST", "/chat/completions", `{"stream": true}`))
		for lines.Scan() {
			fmt.Println(lines.Text())
		}
		return
	}
	for _, body := range []io.ReadCloser{send("GET", "/models", ""), send("POST", "/chat/completions", "{}")} {
		io.Copy(os.Stdout, body)
		body.Close()
	}
}
