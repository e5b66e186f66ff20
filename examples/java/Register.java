import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Registers a user with the strict profile, with Java's standard library only (Java 17).
 *
 * <pre>COUNTERSIGN_URL=(a Region's base URL) COUNTERSIGN_API_KEY=csk_… java examples/java/Register.java [user_id]</pre>
 */
public final class Register {
  private static final HttpClient HTTP =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
  private static final Base64.Encoder BASE64URL = Base64.getUrlEncoder().withoutPadding();

  public static void main(String[] args) throws Exception {
    String url = System.getenv().getOrDefault("COUNTERSIGN_URL", "").replaceAll("/$", "");
    String apiKey = System.getenv().getOrDefault("COUNTERSIGN_API_KEY", "");
    String[] parts = apiKey.split("_");
    if (url.isEmpty() || parts.length != 5 || !parts[0].equals("csk")) {
      System.err.println("set COUNTERSIGN_URL (a Region's) and COUNTERSIGN_API_KEY (it begins with csk_)");
      System.exit(1);
    }
    String userId = args.length > 0 ? args[0] : "james";
    byte[] body = "{\"user_id\":%s,\"email\":%s}"
        .formatted(quoted(userId), quoted(userId + "@example.com")).getBytes(UTF_8);

    String issuer = member(fetch(url + "/.well-known/countersign"), "issuer");
    String nonce = member(fetch(url + "/v1/nonce?client_id=" + parts[1]), "nonce");
    HttpResponse<String> answer = register(apiKey, issuer, url, body, nonce);
    String fresh = answer.headers().firstValue("Replay-Nonce").orElse(null);
    // The refusal brings another nonce: once more with that.
    if (answer.statusCode() == 401 && "use_nonce".equals(member(answer.body(), "code")) && fresh != null)
      answer = register(apiKey, issuer, url, body, fresh);
    System.out.println(answer.statusCode() + " " + answer.body());
    System.exit(answer.statusCode() == 201 ? 0 : 1);
  }

  private static HttpResponse<String> register(
      String apiKey, String issuer, String url, byte[] body, String nonce)
      throws IOException, InterruptedException, GeneralSecurityException {
    String target = url + "/v1/register";
    HttpRequest request = HttpRequest.newBuilder(URI.create(target))
        .timeout(Duration.ofSeconds(10))
        .header("Authorization", "JWT " + prove(apiKey, issuer, "POST", target, body, nonce, Instant.now()))
        .header("Content-Type", "application/json")
        .POST(BodyPublishers.ofByteArray(body))
        .build();
    return HTTP.send(request, BodyHandlers.ofString());
  }

  /** Returns a strict proof for one request, signed with HS256: a compact JWS (RFC 7515). */
  static String prove(
      String apiKey, String issuer, String method, String url, byte[] body, String nonce, Instant now)
      throws GeneralSecurityException {
    String[] parts = apiKey.split("_");
    byte[] jti = new byte[16];
    new SecureRandom().nextBytes(jti);
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(body);
    String header = "{\"alg\":\"HS256\",\"typ\":\"countersign-proof+jwt\",\"kid\":%s}".formatted(quoted(parts[2]));
    String claims = ("{\"iss\":%s,\"aud\":%s,\"jti\":%s,\"iat\":%d,\"exp\":%d,\"htm\":%s,\"htu\":%s,"
        + "\"fingerprint\":%s,\"nonce\":%s}")
        .formatted(
            quoted(parts[1]), quoted(issuer), quoted(BASE64URL.encodeToString(jti)),
            now.getEpochSecond(), now.getEpochSecond() + 120, quoted(method), quoted(url),
            quoted(BASE64URL.encodeToString(digest)), quoted(nonce));
    String signed = encode(header) + "." + encode(claims);
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(apiKey.getBytes(UTF_8), "HmacSHA256"));
    return signed + "." + BASE64URL.encodeToString(mac.doFinal(signed.getBytes(UTF_8)));
  }

  private static String fetch(String url) throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(10)).build();
    HttpResponse<String> answer = HTTP.send(request, BodyHandlers.ofString());
    if (answer.statusCode() != 200) throw new IOException(url + " answered " + answer.statusCode());
    return answer.body();
  }

  /** Returns a member of a small JSON object. The texts that are read here have no escapes. */
  private static String member(String json, String name) {
    var found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]*)\"").matcher(json);
    return found.find() ? found.group(1) : null;
  }

  private static String encode(String json) {
    return BASE64URL.encodeToString(json.getBytes(UTF_8));
  }

  private static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray())
      if (c == '"' || c == '\\' || c < ' ') quoted.append("\\u%04x".formatted((int) c));
      else quoted.append(c);
    return quoted.append('"').toString();
  }
}
