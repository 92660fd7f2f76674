import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Java's HttpClient with nothing but the environment: a GET and a POST, or a stream. */
class UseHttpClient {
  static final String URL = "https://api.openai.com/v1";
  static final HttpClient client = HttpClient.newHttpClient();

  static HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(URL + path))
        .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
        .header("Content-Type", "application/json");
  }

  static HttpRequest post(String body) {
    return request("/chat/completions").POST(BodyPublishers.ofString(body)).build();
  }

  public static void main(String[] words) throws IOException, InterruptedException {
    if (words[0].equals("stream")) {
      client.send(post("{\"stream\": true}"), BodyHandlers.ofLines()).body().forEach(System.out::println);
      return;
    }
    System.out.println(client.send(request("/models").build(), BodyHandlers.ofString()).body());
    System.out.println(client.send(post("{}"), BodyHandlers.ofString()).body());
  }
}
