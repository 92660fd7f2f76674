import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;

/** Answers the proxy's question for a password from HTTPS_PROXY, then does what UseUrlConnection does. */
class AnswerProxy {
  public static void main(String[] words) throws Exception {
    String[] pair = URI.create(System.getenv("HTTPS_PROXY")).getUserInfo().split(":", 2);
    Authenticator.setDefault(
        new Authenticator() {
          @Override
          protected PasswordAuthentication getPasswordAuthentication() {
            return new PasswordAuthentication(pair[0], pair[1].toCharArray());
          }
        });
    UseUrlConnection.main(words);
  }
}
