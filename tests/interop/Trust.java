// Asks for a URL through the proxy that HTTPS_PROXY names, trusting what this Java trusts, and prints the answer.

import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.net.URL;

class Trust {
    public static void main(String[] words) throws Exception {
        URI address = new URI(System.getenv("HTTPS_PROXY"));
        Proxy proxy = new Proxy(Proxy.Type.HTTP, new InetSocketAddress(address.getHost(), address.getPort()));
        try (var answer = new URL(words[0]).openConnection(proxy).getInputStream()) {
            System.out.print(new String(answer.readAllBytes(), "UTF-8"));
        }
    }
}
