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

    static void deleteTopicInNameServer(Context c, String topic) throws Exception {
        c.shared.admin.deleteTopicInNameServer(Collections.singleton(c.settings.nameServer), c.shared.clusterName(), topic);
    }

    static void addTo(Map<String, Scenario> scenarios) {
        Pops.addTo(scenarios);
        Timers.addTo(scenarios);
    }
}
