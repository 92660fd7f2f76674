import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URL;

/** Java's HttpURLConnection with nothing but the environment: a GET and a POST, or a stream. */
class UseUrlConnection {
  static final String URL = "https://api.openai.com/v1";

  static void send(String path, String body) throws IOException {
    HttpURLConnection connection = (HttpURLConnection) new URL(URL + path).openConnection();
    connection.setRequestProperty("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"));
    connection.setRequestProperty("Content-Type", "application/json");
    if (body != null) {
      connection.setDoOutput(true);
      connection.getOutputStream().write(body.getBytes());
    }
    try (BufferedReader lines = new BufferedReader(new InputStreamReader(connection.getInputStream()))) {
      lines.lines().forEach(System.out::println);
    }
  }

  public static void main(String[] words) throws IOException {
    if (words[0].equals("stream")) {
      send("/chat/completions", "{\"stream\": true}");
      return;
    }
    send("/models", null);
    send("/chat/completions", "{}");
  }
}
