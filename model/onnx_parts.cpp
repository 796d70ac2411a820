#include "model/onnx_parts.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx/onnx_pb.h>

namespace fard::model {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

class Counter {
  public:
    Counter(std::string_view bytes, std::size_t most)
        : in_(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size())),
          most_(most) {}

    std::size_t count(const Descriptor& type) {
        visit(type, 0);
        return parts_;
    }

  private:
    // One message up to its end; false where the bytes are wrong, or enough was seen.
    bool visit(const Descriptor& type, int depth) {
        constexpr int deepest = 100;  // protobuf itself goes no deeper
        while (const auto tag = in_.ReadTag()) {
            const auto* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
            const bool has_length =
                WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
            if ((!field || has_length) && ++parts_ > most_) return false;
            if (!has_length || !field || field->type() != FieldDescriptor::TYPE_MESSAGE) {
                if (!WireFormatLite::SkipField(&in_, tag)) return false;
                continue;
            }
            std::uint32_t length = 0;
            if (depth == deepest || !in_.ReadVarint32(&length) || length > INT_MAX) return false;
            const auto outer = in_.PushLimit(static_cast<int>(length));
            if (!visit(*field->message_type(), depth + 1) || in_.BytesUntilLimit() != 0) return false;
            in_.PopLimit(outer);
        }
        return true;
    }

    google::protobuf::io::CodedInputStream in_;
    std::size_t most_;
    std::size_t parts_ = 0;
};

}  // namespace

std::size_t count_parts(std::string_view bytes, std::size_t most) {
    return Counter(bytes, most).count(*onnx::ModelProto::descriptor());
}

}  // namespace fard::model
