#include "client/inputs.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/suggest.hpp"
#include "client/npz.hpp"
#include "client/tensor_forms.hpp"

namespace fard {
namespace {

// The value for one channel of a list that is empty, one for all, or one each.
float channel_value(const std::vector<float>& values, std::size_t channel, float otherwise) {
    if (values.empty()) return otherwise;
    return values.size() == 1 ? values[0] : values[channel];
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

// A whole number that `type` has.
bool holds(DataType type, float value) {
    if (!type.is_integer()) return true;
    if (value != std::floor(value) || (type.kind() == DataType::Kind::bipolar && value == 0)) return false;
    return value >= static_cast<double>(type.min()) && value <= static_cast<double>(type.max());
}

int cropped(int extent, double fraction) {
    const int off = static_cast<int>((extent - extent * fraction) / 2);
    return std::max(extent - 2 * off, 1);
}

// SplitMix64, so that the sequence is the same on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

  private:
    std::uint64_t state_;
};

Result<Frame> random_tensor(const TensorDesc& tensor, Random& random) {
    Frame frame(tensor.wire_bytes());
    if (!tensor.type.is_integer()) {
        for (std::size_t i = 0; i < tensor.elements(); ++i) {
            const float value = static_cast<float>(random.next() >> 40) / (1 << 24);
            std::memcpy(frame.writable().data() + i * sizeof value, &value, sizeof value);
        }
        return frame;
    }
    const auto type = tensor.type;
    const bool bipolar = type.kind() == DataType::Kind::bipolar;
    const int bits = std::min(type.bits(), 31);  // pack takes 32-bit values
    std::vector<std::int32_t> values(tensor.elements());
    for (auto& value : values) {
        const auto draw = static_cast<std::int64_t>(random.next() >> (64 - bits));
        value = static_cast<std::int32_t>(bipolar ? 2 * draw - 1
                                                  : std::max<std::int64_t>(type.min(), -(1 << 30)) + draw);
    }
    if (auto packed = pack(type, values, frame.writable()); !packed) return fail(packed.error());
    return frame;
}

}  // namespace

Result<Preparation> Preparation::make(const AppFile::Input& steps, const TensorDesc& tensor) {
    Preparation made;
    made.steps_ = steps;
    made.tensor_ = tensor;
    if (tensor.shape.size() != 4 || tensor.shape[0] != 1) {
        return fail(Fault::invalid_input, "the network's input {} has shape {}: no image", tensor.name,
                    shape_text(declared_shape(tensor)));
    }
    made.planar_ = tensor.layout != "NHWC";
    const auto extent = [&](int axis) {
        return static_cast<int>(tensor.shape[static_cast<std::size_t>(axis)]);
    };
    made.channels_ = extent(made.planar_ ? 1 : 3);
    made.height_ = extent(made.planar_ ? 2 : 1);
    made.width_ = extent(made.planar_ ? 3 : 2);
    if (made.channels_ != 1 && made.channels_ != 3) {
        return fail(Fault::invalid_input, "the network's input {} has {} channels; an image has 1 or 3",
                    tensor.name, made.channels_);
    }
    const auto channels = static_cast<std::size_t>(made.channels_);
    for (const auto* list : {&steps.mean, &steps.scale}) {
        if (list->size() > 1 && list->size() != channels) {
            return fail(Fault::invalid_input,
                        "[input] has {} values of mean or scale, but the network's input {} has {} "
                        "channels",
                        list->size(), tensor.name, channels);
        }
    }
    made.tables_.resize(channels);
    for (std::size_t c = 0; c < channels; ++c) {
        const float mean = channel_value(steps.mean, c, 0), scale = channel_value(steps.scale, c, 1);
        for (std::size_t pixel = 0; pixel < 256; ++pixel) {
            const float value = (static_cast<float>(pixel) - mean) * scale;
            made.tables_[c].value[pixel] = value;
            made.tables_[c].fits[pixel] = holds(tensor.type, value);
        }
    }
    return made;
}

Result<Image> Preparation::arranged(Image image, bool photo, const std::string& where) const {
    if (photo && channels_ == 3) image = widen_grey(std::move(image));
    if (steps_.crop_fraction < 1) {
        image = crop_centre(image, cropped(image.width, steps_.crop_fraction),
                            cropped(image.height, steps_.crop_fraction));
    }
    if (steps_.resize) {
        const int width = static_cast<int>(steps_.resize->width),
                  height = static_cast<int>(steps_.resize->height);
        if (width != image.width || height != image.height) image = resize_bilinear(image, width, height);
    }
    if (steps_.crop) {
        if (steps_.crop->width > image.width || steps_.crop->height > image.height) {
            return fail(Fault::invalid_input, "{}: {}x{} pixels, too small for the crop to {}x{}", where,
                        image.width, image.height, steps_.crop->width, steps_.crop->height);
        }
        image =
            crop_centre(image, static_cast<int>(steps_.crop->width), static_cast<int>(steps_.crop->height));
    }
    if (image.width == width_ && image.height == height_ && image.channels == channels_) return image;
    return fail(Fault::invalid_input,
                "{}: {}x{} pixels of {} channels, but the network takes {}x{} of {} (the app file's [input] "
                "may say resize "
                "and crop)",
                where, image.width, image.height, image.channels, width_, height_, channels_);
}

Result<Frame> Preparation::operator()(Image given, bool photo, const std::string& where) const {
    auto image = arranged(std::move(given), photo, where);
    if (!image) return fail(image.error());
    const auto channels = static_cast<std::size_t>(channels_);
    const std::size_t pixels = image->pixels.size() / channels;
    std::vector<float> values(image->pixels.size());
    for (std::size_t c = 0; c < channels; ++c) {
        const auto& table = tables_[c];
        const std::size_t source = steps_.bgr ? channels - 1 - c : c;
        for (std::size_t p = 0; p < pixels; ++p) {
            const auto pixel = image->pixels[p * channels + source];
            values[planar_ ? c * pixels + p : p * channels + c] = table.value[pixel];
            if (table.fits[pixel]) continue;
            return fail(Fault::invalid_input,
                        "{}: pixel value {} becomes {}, which the input's type {} cannot hold", where, pixel,
                        table.value[pixel], tensor_.type.name());
        }
    }
    Frame frame(tensor_.wire_bytes());
    if (!tensor_.type.is_integer()) {
        std::memcpy(frame.writable().data(), values.data(), values.size() * sizeof(float));
        return frame;
    }
    const std::vector<std::int32_t> integers(values.begin(), values.end());
    if (auto packed = pack(tensor_.type, integers, frame.writable()); !packed)
        return fail_in(where, packed.error());
    return frame;
}

namespace {

// The tensor's part of "NAME=PATH", if it begins with the name of one.
std::optional<std::pair<std::size_t, std::filesystem::path>> named_path(
    const std::filesystem::path& given, const std::vector<TensorDesc>& tensors) {
    const auto& text = given.native();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto& name = tensors[i].name;
        if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=')
            return std::pair{i, std::filesystem::path(text.substr(name.size() + 1))};
    }
    return std::nullopt;
}

std::vector<std::string> names_of(const std::vector<TensorDesc>& tensors) {
    std::vector<std::string> names;
    for (const auto& tensor : tensors)
        names.push_back(tensor.name);
    return names;
}

}  // namespace

Result<> Inputs::add(std::size_t stream, std::vector<std::unique_ptr<InputSource>> sources) {
    for (auto& source : sources) {
        for (std::size_t i = 0; i < source->size(); ++i)
            streams_[stream].entries.push_back({source.get(), i});
        sources_.push_back(std::move(source));
    }
    return {};
}

Result<> Inputs::add_path(const std::filesystem::path& path) {
    const auto named = named_path(path, tensors_);
    std::error_code ignored;
    const bool as_named = named && (tensors_.size() > 1 || !std::filesystem::exists(path, ignored));
    const auto& file = as_named ? named->second : path;
    if (file.extension() == ".npz") return add_arrays(file);
    if (tensors_.size() > 1 && !as_named) {
        const auto given = path.native().substr(0, path.native().find('='));
        return fail(Fault::invalid_input,
                    "{}: the network has {} inputs ({}); say NAME=PATH for each{}, or give a .npz file",
                    path.string(), tensors_.size(), fmt::join(names_of(tensors_), ", "),
                    did_you_mean(given, names_of(tensors_)));
    }
    auto sources = open_sources(file);
    if (!sources) return fail(sources.error());
    return add(as_named ? named->first : 0, std::move(*sources));
}

Result<> Inputs::add_arrays(const std::filesystem::path& npz) {
    auto arrays = read_npz(npz);
    if (!arrays) return fail(arrays.error());
    for (auto& [name, array] : *arrays) {
        const auto tensor = std::ranges::find(tensors_, name, &TensorDesc::name);
        if (tensor == tensors_.end())
            return fail(Fault::invalid_input, "{}: holds an array '{}', and the network's inputs are {}{}",
                        npz.string(), name, fmt::join(names_of(tensors_), ", "),
                        did_you_mean(name, names_of(tensors_)));
        auto source = open_array(std::move(array), fmt::format("{}:{}", npz.string(), name));
        if (!source) return fail(source.error());
        std::vector<std::unique_ptr<InputSource>> one;
        one.push_back(std::move(*source));
        if (auto done = add(static_cast<std::size_t>(tensor - tensors_.begin()), std::move(one)); !done)
            return done;
    }
    return {};
}

Result<> Inputs::check_counts() const {
    for (const auto& stream : streams_) {
        if (stream.entries.empty())
            return fail(Fault::invalid_input, "nothing feeds the network's input {}: say {}=PATH",
                        stream.tensor.name, stream.tensor.name);
        if (stream.entries.size() != streams_[0].entries.size())
            return fail(Fault::invalid_input, "the network's input {} is fed {} chunks, and {} is fed {}",
                        streams_[0].tensor.name, streams_[0].entries.size(), stream.tensor.name,
                        stream.entries.size());
    }
    return {};
}

Result<Inputs> Inputs::open(const std::vector<std::filesystem::path>& paths, const AppFile::Input& steps,
                            std::vector<TensorDesc> tensors) {
    Inputs inputs;
    inputs.tensors_ = std::move(tensors);
    for (const auto& tensor : inputs.tensors_)
        inputs.streams_.push_back({tensor, {}, Preparation::make(steps, tensor)});
    for (const auto& path : paths)
        if (auto done = inputs.add_path(path); !done) return fail(done.error());
    if (auto done = inputs.check_counts(); !done) return fail(done.error());
    return inputs;
}

Inputs Inputs::random(std::vector<TensorDesc> tensors, std::uint64_t count) {
    Inputs inputs;
    inputs.tensors_ = std::move(tensors);
    inputs.random_ = count;
    return inputs;
}

std::size_t Inputs::size() const {
    return random_ ? static_cast<std::size_t>(random_) : streams_[0].entries.size();
}

namespace {

Result<Frame> from_row(const TensorDesc& tensor, const RawInput& raw, const Row& row) {
    const auto declared = declared_shape(tensor);
    const bool without_batch =
        !declared.empty() && declared[0] == 1 &&
        std::equal(row.shape.begin(), row.shape.end(), declared.begin() + 1, declared.end());
    if (row.shape != declared && !without_batch) {
        return fail(Fault::invalid_input, "{}: has shape {}, but the network's input {} takes {}", raw.where,
                    shape_text(row.shape), tensor.name, shape_text(declared));
    }
    Frame frame(tensor.wire_bytes());
    if (auto done = wire_from_array(tensor, row.type, row.bytes, frame.writable()); !done) {
        return fail_in(raw.where, done.error());
    }
    return frame;
}

}  // namespace

Result<Input> Inputs::at(std::size_t index) const {
    if (random_) {
        Input input{fmt::format("random[{}]", index), {}, std::nullopt};
        Random random(index);
        for (const auto& tensor : tensors_) {
            auto frame = random_tensor(tensor, random);
            if (!frame) return fail(frame.error());
            input.tensors.push_back(std::move(*frame));
        }
        return input;
    }
    Input input;
    for (const auto& stream : streams_) {
        const auto& entry = stream.entries[index];
        auto raw = entry.source->at(entry.index);
        if (!raw) return fail(raw.error());
        if (input.where.empty()) input.where = raw->where;
        if (raw->label) input.label = raw->label;
        const auto* row = std::get_if<Row>(&raw->data);
        if (row == nullptr && !stream.preparation) return fail_in(raw->where, stream.preparation.error());
        auto frame = row != nullptr ? from_row(stream.tensor, *raw, *row)
                                    : (*stream.preparation)(std::move(std::get<Image>(raw->data)), raw->photo,
                                                            raw->where);
        if (!frame) return fail(frame.error());
        input.tensors.push_back(std::move(*frame));
    }
    return input;
}

Result<Inputs> open_inputs(const AppFile& app, const std::vector<std::filesystem::path>& given,
                           std::vector<TensorDesc> tensors) {
    if (!given.empty()) return Inputs::open(given, app.input, std::move(tensors));
    if (app.input.random_chunks) return Inputs::random(std::move(tensors), app.input.random_chunks);
    if (!app.input.default_data.empty()) {
        auto inputs = Inputs::open({app.input.default_data}, app.input, std::move(tensors));
        if (!inputs) return fail_in(app.at("default in [input]"), inputs.error());
        return inputs;
    }
    return fail(Fault::invalid_input, "{}: names no default data in [input]; give some with --input",
                app.file.string());
}

}  // namespace fard
