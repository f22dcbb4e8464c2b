package interop;

import com.google.common.util.concurrent.ListenableFuture;
import com.google.protobuf.Any;
import com.google.protobuf.DynamicMessage;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** What is judged: the same for each client, see interop.test.ts. */
final class Scenarios {
    private static final int MESSAGE_COUNT = 2_000;
    private static final String LARGE = "größe 🚀 ".repeat(30_000);

    /** Throws where it finds something wrong. */
    interface Scenario {
        void run(Api api, String topic) throws Exception;
    }

    private Scenarios() {
    }

    static Map<String, Scenario> all() {
        Map<String, Scenario> all = new LinkedHashMap<>();
        all.put("stream", Scenarios::receiveAll);
        all.put("large", (api, topic) -> echo(api, topic, LARGE, Api.options()));
        all.put("gzip", (api, topic) -> echo(api, topic, LARGE, Api.options().withCompression("gzip")));
        all.put("unary", (api, topic) -> echo(api, topic, "Grüße 🚀", Api.options()));
        all.put("cancel", Scenarios::cancel);
        all.put("deadline", Scenarios::passDeadline);
        all.put("error", Scenarios::fail);
        return all;
    }

    /** A consumer, and a producer of its topic. */
    private static final class Subscription {
        private final Api api;
        private final String consumerId;
        private final String producerId;

        Subscription(Api api, String topic) {
            this.api = api;
            this.consumerId = Api.text(api.call("CreateConsumer", Map.of("topic", topic, "group_id", topic)), "consumer_id");
            this.producerId = Api.text(api.call("CreateProducer", Map.of("topic", topic)), "producer_id");
        }

        Iterator<DynamicMessage> receive(CallOptions options) {
            return api.receive(consumerId, options);
        }

        Map<String, String> sending(String body) {
            return Map.of("producer_id", producerId, "message_body", body);
        }

        Map<String, String> acking(DynamicMessage message) {
            return Map.of("consumer_id", consumerId, "receipt_handle", Api.text(message, "receipt_handle"));
        }
    }

    private static void echo(Api api, String topic, String body, CallOptions options) {
        Subscription own = new Subscription(api, topic);
        Iterator<DynamicMessage> stream = own.receive(Api.options());
        api.call("SendMessage", own.sending(body), options);
        DynamicMessage message = stream.next();
        String received = Api.text(message, "message_body");
        check(received.equals(body), "sent " + body.length() + " characters, received " + received.length() + " others");
        api.call("AckMessage", own.acking(message));
    }

    /** Sends messages side by side and acknowledges each as it comes. On a machine that stands still some are sent twice. */
    private static void receiveAll(Api api, String topic) throws Exception {
        Subscription own = new Subscription(api, topic);
        Iterator<DynamicMessage> stream = own.receive(Api.options());
        List<ListenableFuture<DynamicMessage>> calls = new ArrayList<>();
        for (int index = 0; index < MESSAGE_COUNT; index += 1)
            calls.add(api.start("SendMessage", own.sending(String.valueOf(index))));
        Set<String> bodies = new HashSet<>();
        while (bodies.size() < MESSAGE_COUNT) {
            DynamicMessage message = stream.next();
            bodies.add(Api.text(message, "message_body"));
            calls.add(api.start("AckMessage", own.acking(message)));
        }
        for (ListenableFuture<DynamicMessage> call : calls) call.get();
    }

    /** Leaves a message, which then comes again: its invisible time is longer than the call. */
    private static void cancel(Api api, String topic) throws Exception {
        Subscription own = new Subscription(api, topic);
        Context.CancellableContext leaving = Context.current().withCancellation();
        Iterator<DynamicMessage> stream = leaving.call(() -> own.receive(Api.options()));
        api.call("SendMessage", own.sending("left"));
        stream.next();
        leaving.cancel(null);
        expect(Code.CANCELLED, stream::next);
        DynamicMessage message = own.receive(Api.options()).next();
        int times = (Integer) Api.field(message, "reconsume_times");
        check(times >= 1, "it comes again with reconsume_times " + times);
        api.call("AckMessage", own.acking(message));
    }

    private static void passDeadline(Api api, String topic) {
        Subscription own = new Subscription(api, topic);
        expect(Code.DEADLINE_EXCEEDED, () -> own.receive(CallOptions.DEFAULT.withDeadlineAfter(300, TimeUnit.MILLISECONDS)).next());
    }

    private static void fail(Api api, String topic) throws Exception {
        Map<String, String> fields = Map.of("consumer_id", "größe 100%");
        StatusRuntimeException failure = expect(Code.NOT_FOUND, () -> api.call("AckMessage", fields));
        check(failure.getMessage().contains("consumer_id is unknown here"), "it says " + failure.getMessage());
        Status status = StatusProto.fromThrowable(failure);
        for (Any detail : status.getDetailsList()) {
            if (detail.is(ErrorInfo.class) && detail.unpack(ErrorInfo.class).getReason().equals("ID_NOT_FOUND")) return;
        }
        throw new IllegalStateException("its details are " + status.getDetailsList());
    }

    private static StatusRuntimeException expect(Code code, Runnable work) {
        try {
            work.run();
        } catch (StatusRuntimeException failure) {
            if (failure.getStatus().getCode() == code) return failure;
            throw failure;
        }
        throw new IllegalStateException("it should have ended with " + code);
    }

    private static void check(boolean isTrue, String otherwise) {
        if (!isTrue) throw new IllegalStateException(otherwise);
    }
}
