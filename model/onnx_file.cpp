#include "model/onnx_file.hpp"

#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/read_file.hpp"
#include "model/external_data.hpp"
#include "model/onnx_border.hpp"
#include "model/onnx_parts.hpp"
#include "model/onnx_tensor.hpp"
#include "model/domains.hpp"

namespace fard::model {
namespace {

// A message takes several times its bytes in the file where its parts have fewer than this each.
constexpr std::size_t part_bytes = 64;

constexpr std::uint64_t large_file = 1 << 20;
constexpr int block_bytes = 1 << 18;  // that a large one is read by

constexpr int max_rank = 8;
constexpr std::int64_t newest_opset = 21;

Result<RawValue> read_value(const onnx::ValueInfoProto& value) {
    if (value.type().value_case() == onnx::TypeProto::VALUE_NOT_SET)
        return RawValue{value.name(), "", std::nullopt};
    if (!value.type().has_tensor_type())
        return fail(Fault::unsupported,
                    "'{}' is not a tensor (sequences, maps and optionals are not supported)", value.name());
    const auto& type = value.type().tensor_type();
    RawValue read{value.name(), declared_of(type.elem_type()), std::nullopt};
    if (!type.has_shape()) return read;
    if (type.shape().dim_size() > max_rank)
        return fail(Fault::unsupported, "'{}' has {} dimensions; fard knows up to {}", value.name(),
                    type.shape().dim_size(), max_rank);
    read.shape.emplace();
    for (const auto& dimension : type.shape().dim()) {
        const bool known = dimension.has_dim_value() && dimension.dim_value() != 0;
        if (known && dimension.dim_value() < 0)
            return fail(Fault::corrupt, "'{}' has an extent of {}", value.name(), dimension.dim_value());
        read.shape->push_back(known ? dimension.dim_value() : -1);
    }
    return read;
}

// The operators of our own domain have lists of doubles, which ONNX has no attribute for: tensors of DOUBLE.
Result<RawAttribute> read_doubles(const onnx::TensorProto& tensor) {
    if (tensor.data_type() != onnx::TensorProto::DOUBLE || tensor.dims_size() != 1 ||
        tensor.dims(0) != tensor.double_data_size())
        return fail(Fault::corrupt, "an attribute is not a list of DOUBLE");
    return RawAttribute{std::vector<double>(tensor.double_data().begin(), tensor.double_data().end())};
}

Result<RawAttribute> read_attribute(const onnx::AttributeProto& attribute, bool own) {
    using onnx::AttributeProto;
    switch (attribute.type()) {
        case AttributeProto::INT:
            return RawAttribute{static_cast<std::int64_t>(attribute.i())};
        case AttributeProto::FLOAT:
            return RawAttribute{static_cast<double>(attribute.f())};
        case AttributeProto::STRING:
            return RawAttribute{attribute.s()};
        case AttributeProto::INTS:
            return RawAttribute{std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end())};
        case AttributeProto::FLOATS:
            return RawAttribute{std::vector<double>(attribute.floats().begin(), attribute.floats().end())};
        case AttributeProto::TENSOR: {
            if (own) return read_doubles(attribute.t());
            auto tensor = read_tensor(attribute.t());
            if (!tensor) return fail(tensor.error());
            return RawAttribute{*std::move(tensor)};
        }
        default:
            return RawAttribute{};
    }
}

// Of a node that no output needs, attributes that cannot be read are nothing.
Result<RawNode> read_node(const onnx::NodeProto& node, std::size_t index, bool needed) {
    RawNode read;
    read.index = index;
    read.name = node.name();
    read.domain = node.domain() == "ai.onnx" ? "" : node.domain();
    read.op = node.op_type();
    read.inputs.assign(node.input().begin(), node.input().end());
    read.outputs.assign(node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute()) {
        auto value = read_attribute(attribute, read.domain == own_domain);
        if (!value && !needed) continue;
        if (!value) return fail_in(read.label(), value.error());
        read.attributes.insert_or_assign(attribute.name(), *std::move(value));
    }
    return read;
}

Result<std::int64_t> opset_of(const onnx::ModelProto& model) {
    for (const auto& import : model.opset_import()) {
        if (!import.domain().empty() && import.domain() != "ai.onnx") continue;
        if (import.version() < 1 || import.version() > newest_opset)
            return fail(Fault::unsupported,
                        "is of opset {}; fard reads those up to {}: export it again, or convert it "
                        "(onnx.version_converter)",
                        import.version(), newest_opset);
        return import.version();
    }
    return fail(Fault::corrupt, "does not say which opset it is of");
}

// What the outputs need, by name and by position.
struct Needed {
    std::unordered_set<std::string> tensors;
    std::vector<bool> nodes;
};

Needed find_needed(const onnx::GraphProto& graph) {
    std::unordered_map<std::string_view, int> producers;
    for (int i = 0; i < graph.node_size(); ++i)
        for (const auto& output : graph.node(i).output())
            producers.emplace(output, i);
    Needed needed{{}, std::vector<bool>(static_cast<std::size_t>(graph.node_size()))};
    std::vector<std::string_view> open;
    for (const auto& output : graph.output())
        open.push_back(output.name());
    while (!open.empty()) {
        const auto name = open.back();
        open.pop_back();
        if (!needed.tensors.emplace(name).second) continue;
        const auto producer = producers.find(name);
        if (producer == producers.end() || needed.nodes[static_cast<std::size_t>(producer->second)]) continue;
        needed.nodes[static_cast<std::size_t>(producer->second)] = true;
        for (const auto& input : graph.node(producer->second).input())
            open.push_back(input);
    }
    return needed;
}

Result<RawGraph> read_graph(const onnx::ModelProto& model) {
    const auto& graph = model.graph();
    RawGraph read;
    read.name = graph.name();
    for (const auto& entry : model.metadata_props())
        if (entry.key() == exact_fractions_key) read.exact_fractions = true;
    const auto opset = opset_of(model);
    if (!opset) return fail(opset.error());
    read.opset = *opset;
    if (graph.sparse_initializer_size() > 0)
        return fail(Fault::unsupported, "sparse initializers are not supported; store them dense");
    std::unordered_set<std::string> stored;
    const auto needed = find_needed(graph);
    for (const auto& tensor : graph.initializer()) {
        stored.insert(tensor.name());
        if (!tensor.name().empty() && !needed.tensors.contains(tensor.name())) continue;
        auto value = read_tensor(tensor);
        if (!value) return fail(value.error());
        read.initializers.push_back(*std::move(value));
    }
    for (const auto& input : graph.input()) {
        if (stored.contains(input.name())) continue;
        auto value = read_value(input);
        if (!value) return fail(value.error());
        read.inputs.push_back(*std::move(value));
    }
    for (const auto& output : graph.output()) {
        auto value = read_value(output);
        if (!value) return fail(value.error());
        read.outputs.push_back(*std::move(value));
    }
    for (const auto& node : graph.node()) {
        auto value = read_node(node, read.nodes.size(), needed.nodes[read.nodes.size()]);
        if (!value) return fail(value.error());
        read.nodes.push_back(*std::move(value));
    }
    for (const auto& entry : graph.quantization_annotation())
        for (const auto& pair : entry.quant_parameter_tensor_names())
            read.annotations[entry.tensor_name()].insert_or_assign(pair.key(), pair.value());
    return read;
}

// Copies one part of a model into a new one.
class Extractor {
  public:
    Extractor(const onnx::ModelProto& model, const Extract& part) : source_(model.graph()), part_(part) {
        result_ = std::make_unique<onnx::ModelProto>();
        result_->set_ir_version(model.ir_version());
        *result_->mutable_opset_import() = model.opset_import();
        result_->set_producer_name("fard");
        result_->mutable_graph()->set_name(part.name);
        for (int i = 0; i < source_.initializer_size(); ++i)
            initializers_.emplace(source_.initializer(i).name(), i);
        for (int i = 0; i < source_.node_size(); ++i)
            for (const auto& output : source_.node(i).output())
                producers_.emplace(output, i);
    }

    std::string run() {
        for (const Tensor* tensor : part_.inputs)
            known_.insert(tensor->name);
        std::set<int> chosen(part_.nodes.begin(), part_.nodes.end());
        for (const int index : chosen)
            for (const auto& output : source_.node(index).output())
                known_.insert(output);
        for (const int index : chosen)
            for (const auto& input : source_.node(index).input())
                take_constant(input);
        for (const auto index : part_.nodes)
            *target().add_node() = source_.node(static_cast<int>(index));
        for (const Tensor* tensor : part_.inputs)
            describe_border(*target().add_input(), *tensor);
        for (const Tensor* tensor : part_.outputs)
            describe_border(*target().add_output(), *tensor);
        keep_annotations();
        if (part_.exact_fractions) say_exact_fractions(*result_);
        return result_->SerializeAsString();
    }

  private:
    onnx::GraphProto& target() { return *result_->mutable_graph(); }

    // Adds what the constant `name` is made of: an initializer, or nodes upon initializers, operands first.
    void take_constant(const std::string& name) {
        std::vector<std::pair<std::string, bool>> open{{name, false}};
        while (!open.empty()) {
            const auto [next, operands_done] = open.back();
            open.pop_back();
            if (operands_done) {
                *target().add_node() = source_.node(producers_.at(next));
                continue;
            }
            if (next.empty() || !known_.insert(next).second) continue;
            if (const auto stored = initializers_.find(next); stored != initializers_.end()) {
                *target().add_initializer() = source_.initializer(stored->second);
            } else if (const auto producer = producers_.find(next); producer != producers_.end()) {
                for (const auto& output : source_.node(producer->second).output())
                    known_.insert(output);
                open.emplace_back(next, true);
                for (const auto& input : source_.node(producer->second).input())
                    open.emplace_back(input, false);
            }
        }
    }

    // The annotations of every tensor that is in the part; at its borders, the types of the whole network.
    void keep_annotations() {
        Annotations annotations(target());
        for (const auto& entry : source_.quantization_annotation()) {
            if (!known_.contains(entry.tensor_name())) continue;
            for (const auto& pair : entry.quant_parameter_tensor_names())
                annotations.set(entry.tensor_name(), pair.key(), pair.value());
        }
        for (const Tensor* tensor : part_.outputs) {
            annotations.set_type(*tensor);
            annotations.set_layout(*tensor);
        }
        for (const Tensor* tensor : part_.inputs)
            annotations.set_input(*tensor);
    }

    const onnx::GraphProto& source_;
    const Extract& part_;
    std::unique_ptr<onnx::ModelProto> result_;
    std::unordered_map<std::string, int> initializers_;
    std::unordered_map<std::string, int> producers_;
    std::unordered_set<std::string> known_;  // tensors that the part has or will have
};

}  // namespace

struct OnnxFile::Impl {
    std::unique_ptr<const onnx::ModelProto> model;  // nullptr: to be made of the bytes where it is needed
    std::string bytes;                              // of a file of many small parts
    std::string where;

    // The message, which `room` holds if it is not here.
    const onnx::ModelProto& message(std::unique_ptr<const onnx::ModelProto>& room) const {
        if (model) return *model;
        auto parsed = std::make_unique<onnx::ModelProto>();
        parsed->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
        room = std::move(parsed);
        return *room;
    }
};

OnnxFile::OnnxFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnnxFile::OnnxFile(OnnxFile&&) noexcept = default;
OnnxFile& OnnxFile::operator=(OnnxFile&&) noexcept = default;
OnnxFile::~OnnxFile() = default;

namespace {

Result<> check_size(std::uint64_t bytes, const std::string& where) {
    if (bytes > INT_MAX)
        return fail(Fault::unsupported, "{}: {} bytes; an ONNX file has at most 2 GiB", where, bytes);
    if (bytes == 0) return fail(Fault::corrupt, "{}: the file is empty", where);
    return {};
}

Result<> check_parts(const PartCount& parts, std::uint64_t bytes, const std::string& where) {
    const auto most = most_memory(bytes);
    if (parts.memory <= most) return {};
    return fail(Fault::unsupported, "{}: nodes, attributes, tensors and names in {} bytes that would take more than {} MB",
                where, bytes, most >> 20);
}

// The message as it was parsed, with the weights that lie elsewhere. `altered`: there are such.
Result<> complete(onnx::ModelProto& model, bool parsed, const std::string& where,
                  const std::optional<std::filesystem::path>& directory, bool& altered) {
    if (!parsed) return fail(Fault::corrupt, "{}: not an ONNX model (its protobuf does not parse)", where);
    if (!model.has_graph())
        return fail(Fault::corrupt, "{}: not an ONNX model (it holds no graph)", where);
    const auto size = model.ByteSizeLong();
    if (directory)
        if (auto done = read_external_data(model, *directory); !done)
            return fail_in(where, done.error());
    altered = model.ByteSizeLong() != size;
    return {};
}

}  // namespace

Result<OnnxFile> OnnxFile::parse(std::string_view bytes, const std::string& where,
                                 const std::optional<std::filesystem::path>& directory) try {
    auto impl = std::make_unique<Impl>();
    auto model = std::make_unique<onnx::ModelProto>();
    impl->where = where;
    if (auto done = check_size(bytes.size(), where); !done) return fail(done.error());
    const auto parts = count_parts(bytes, most_memory(bytes.size()));
    if (auto done = check_parts(parts, bytes.size(), where); !done) return fail(done.error());
    const bool parsed = model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    bool altered = false;
    if (auto done = complete(*model, parsed, where, directory, altered); !done) return fail(done.error());
    if (!altered && parts.count * part_bytes > bytes.size()) impl->bytes = bytes;
    impl->model = std::move(model);
    return OnnxFile(std::move(impl));
} catch (const std::exception& error) {
    return fail(Fault::corrupt, "{}: not an ONNX model ({})", where, error.what());
}

Result<OnnxFile> OnnxFile::load(const std::filesystem::path& file) try {
    using google::protobuf::io::FileInputStream;
    const auto where = file.string();
    std::error_code error;
    const auto directory = std::filesystem::absolute(file, error).parent_path();
    const auto fd = open_to_read(file);
    if (!fd) return fail(fd.error());
    struct stat status {};
    if (::fstat(fd->get(), &status) != 0) return fail(Fault::io, "{}: cannot be looked at: {}", where, std::strerror(errno));
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto whole = [&]() -> Result<OnnxFile> {
        const auto bytes = read_rest(*fd, where, ReadOptions{});
        if (!bytes) return fail(bytes.error());
        return parse(*bytes, where, directory);
    };
    if (size < large_file) return whole();
    if (auto done = check_size(size, where); !done) return fail(done.error());
    PartCount parts;
    {
        FileInputStream in(fd->get());
        parts = count_parts(in, most_memory(size));
    }
    if (auto done = check_parts(parts, size, where); !done) return fail(done.error());
    if (::lseek(fd->get(), 0, SEEK_SET) != 0) return fail(Fault::io, "{}: cannot be read: {}", where, std::strerror(errno));
    if (parts.count * part_bytes > size) return whole();
    auto impl = std::make_unique<Impl>();
    auto model = std::make_unique<onnx::ModelProto>();
    impl->where = where;
    FileInputStream in(fd->get(), block_bytes);
    const bool parsed = model->ParseFromZeroCopyStream(&in);
    if (in.GetErrno() != 0) return fail(Fault::io, "{}: cannot be read: {}", where, std::strerror(in.GetErrno()));
    bool altered = false;
    if (auto done = complete(*model, parsed, where, directory, altered); !done) return fail(done.error());
    impl->model = std::move(model);
    return OnnxFile(std::move(impl));
} catch (const std::exception& error) {
    return fail(Fault::corrupt, "{}: not an ONNX model ({})", file.string(), error.what());
}

void OnnxFile::let_go() {
    if (!impl_->bytes.empty()) impl_->model.reset();
}

Result<RawGraph> OnnxFile::read() const try {
    std::unique_ptr<const onnx::ModelProto> room;
    auto graph = read_graph(impl_->message(room));
    if (!graph) return fail_in(impl_->where, graph.error());
    return graph;
} catch (const std::exception& error) {
    return fail(Fault::corrupt, "{}: cannot be read ({})", impl_->where, error.what());
}

Result<std::string> OnnxFile::extract(const Extract& part) const try {
    std::unique_ptr<const onnx::ModelProto> room;
    return Extractor(impl_->message(room), part).run();
} catch (const std::exception& error) {
    return fail(Fault::failed, "{}: stage '{}' could not be written ({})", impl_->where, part.name,
                error.what());
}

}  // namespace fard::model
