package interop;

import com.google.common.util.concurrent.ListenableFuture;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors;
import com.google.protobuf.DynamicMessage;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The published API by its descriptors, on one channel; nothing is generated. */
final class Api {
    private static final long CALL_SECONDS = 60;

    private final Channel channel;
    private final Descriptors.ServiceDescriptor service;

    Api(Channel channel, Descriptors.ServiceDescriptor service) {
        this.channel = channel;
        this.service = service;
    }

    /** The service of a file that `buf build` has made. */
    static Descriptors.ServiceDescriptor load(Path file) throws Exception {
        FileDescriptorProto proto = FileDescriptorSet.parseFrom(Files.readAllBytes(file)).getFile(0);
        return Descriptors.FileDescriptor.buildFrom(proto, new Descriptors.FileDescriptor[0]).findServiceByName("RocketMQProxy");
    }

    /** What calls are made with where nothing else is said. */
    static CallOptions options() {
        return CallOptions.DEFAULT.withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
    }

    DynamicMessage call(String rpc, Map<String, String> fields) {
        return call(rpc, fields, options());
    }

    DynamicMessage call(String rpc, Map<String, String> fields, CallOptions options) {
        return ClientCalls.blockingUnaryCall(channel, method(rpc), options, request(rpc, fields));
    }

    ListenableFuture<DynamicMessage> start(String rpc, Map<String, String> fields) {
        return ClientCalls.futureUnaryCall(channel.newCall(method(rpc), options()), request(rpc, fields));
    }

    Iterator<DynamicMessage> receive(String consumerId, CallOptions options) {
        DynamicMessage request = request("ReceiveMessages", Map.of("consumer_id", consumerId));
        return ClientCalls.blockingServerStreamingCall(channel, method("ReceiveMessages"), options, request);
    }

    static Object field(DynamicMessage message, String name) {
        return message.getField(message.getDescriptorForType().findFieldByName(name));
    }

    static String text(DynamicMessage message, String name) {
        return (String) field(message, name);
    }

    private DynamicMessage request(String rpc, Map<String, String> fields) {
        DynamicMessage.Builder request = DynamicMessage.newBuilder(service.findMethodByName(rpc).getInputType());
        fields.forEach((name, value) -> request.setField(request.getDescriptorForType().findFieldByName(name), value));
        return request.build();
    }

    private MethodDescriptor<DynamicMessage, DynamicMessage> method(String rpc) {
        Descriptors.MethodDescriptor method = service.findMethodByName(rpc);
        return MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
            .setType(method.isServerStreaming() ? MethodType.SERVER_STREAMING : MethodType.UNARY)
            .setFullMethodName(MethodDescriptor.generateFullMethodName(service.getFullName(), rpc))
            .setRequestMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getInputType())))
            .setResponseMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getOutputType())))
            .build();
    }
}
