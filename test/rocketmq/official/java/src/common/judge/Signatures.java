package judge;

import java.util.Collections;
import java.util.Map;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.remoting.RPCHook;

/** Requests with an access key, where the command line gives one; then all other scenarios sign theirs as well. */
final class Signatures {
    private Signatures() {
    }

    static Map<String, Scenario> scenarios(Settings settings) {
        return settings.isSigned() ? Collections.singletonMap("acl", Signatures::run) : Collections.emptyMap();
    }

    private static void run(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        Collector collector = new Collector();
        Pushes.listen(c.pushConsumer(c.named("group")), topic, "*", collector);
        c.sendAll(c.producer(), topic, Context.numbered("m", 4));
        c.await("4 deliveries", () -> collector.count() >= 4);
        refused(c, topic, "a wrong secret", Settings.hook(c.settings.accessKey, c.settings.secretKey + "x"));
        refused(c, topic, "an unknown key", Settings.hook("nobody" + c.settings.accessKey, c.settings.secretKey));
        refused(c, topic, "no signature", null);
        Thread.sleep(300);
        Context.same("stored", 4L, c.shared.storedCount(topic));
    }

    private static void refused(Context c, String topic, String what, RPCHook hook) throws Exception {
        DefaultMQProducer producer = c.started(new DefaultMQProducer(c.named(what.replace(' ', '-')), hook));
        try {
            producer.send(new Message(topic, Context.bytes(what)));
        } catch (MQBrokerException | MQClientException failure) {
            Throwable cause = failure;
            while (cause != null && !(cause instanceof MQBrokerException)) cause = cause.getCause();
            // Anything else would be a broker that goes away or keeps silent.
            if (cause == null) throw new AssertionError(what + " is refused in words", failure);
            c.fact(what + ": code " + ((MQBrokerException) cause).getResponseCode());
            return;
        }
        throw new AssertionError(what + " is refused");
    }
}
