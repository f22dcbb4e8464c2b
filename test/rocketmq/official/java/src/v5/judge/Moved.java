package judge;

import java.util.Collections;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/** What 5.x has in other packages than 4.9, and the scenarios that only 5.x can run. */
final class Moved {
    private Moved() {
    }

    static void broadcast(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(MessageModel.BROADCASTING);
    }

    /** Receives as the broker says, by POP where it says so. */
    static void popping(DefaultMQPushConsumer consumer) {
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(60_000);
    }

    static void deleteTopicInNameServer(Context c, String topic) throws Exception {
        c.shared.admin.deleteTopicInNameServer(Collections.singleton(c.settings.nameServer), c.shared.clusterName(), topic);
    }

    static void addTo(Map<String, Scenario> scenarios) {
        Pops.addTo(scenarios);
        Timers.addTo(scenarios);
    }
}
