#include "tests/golden/samples.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/park_messages.hpp"
#include "runtime/peer/chunk_header.hpp"
#include "runtime/peer/job_page.hpp"
#include "tests/peer/fill.hpp"

namespace fard {
namespace {

using Json = nlohmann::ordered_json;

constexpr int first_job_message = 80;  // from here on the sender is known by the way that a message comes

FrameSample chunk_header() {
    const std::vector<TensorDesc> tensors{
        {.name = "x", .shape = {1, 1, 1, 256}, .type = DataType::uint(2)},
        {.name = "y", .shape = {1, 10}, .layout = "NC", .type = DataType::float32()}};
    const auto form = HeaderForm::of({"00112233445566778899aabbccddeeff"}, {3, 7}, tensors, 2);
    const std::vector<TraceStamp> trace{
        {1'700'000'000'000'000'001, 1'700'000'000'000'000'002, 1'700'000'000'000'000'003}, {}};
    const auto header = form->make(12'345'678'901, trace);
    const auto json = Json::from_msgpack(header.text());
    return {"092-CHUNK", std::string(header.text()), json.dump(1)};
}

// Ten values of the type, its ends among them.
std::vector<std::int32_t> values_of(DataType type) {
    std::vector<std::int32_t> values;
    if (type == DataType::bipolar()) return {-1, 1, 1, -1, 1, -1, -1, -1, 1, 1};
    const auto range = type.max() - type.min() + 1;
    for (std::int64_t i = 0; i < 9; ++i)
        values.push_back(
            static_cast<std::int32_t>(type.min() + i * std::max<std::int64_t>(1, range / 4 - 1) % range));
    values.push_back(static_cast<std::int32_t>(type.max()));
    return values;
}

FrameSample tensor(DataType type) {
    const auto values = values_of(type);
    std::string bytes(type.wire_bytes(values.size()), '\0');
    if (!pack(type, values, std::as_writable_bytes(std::span(bytes)))) bytes.clear();
    const Json json{{"type", type.name()}, {"elements", values}};
    return {"tensor-" + type.name(), bytes, json.dump(1)};
}

template <typename Number>
FrameSample numbers(std::string name, const std::vector<Number>& values) {
    std::string bytes(values.size() * sizeof(Number), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return {std::move(name), bytes, Json{{"bytes_each", sizeof(Number)}, {"numbers", values}}.dump(1)};
}

// The words of a page as they lie there, each of another value.
FrameSample job_page() {
    JobPage page{};
    page.version = JobPage::current_version;
    page.busy_since_ns = 1'000'000'001;
    page.busy_index = 42;
    page.chunks = 41;
    page.compute_ns = 900'000'000;
    page.wait_ns = 100'000'000;
    page.bytes_out = 41 * 64;
    page.looked_ns = 999'000'000;
    page.step = 2;
    page.unopened = 5;
    std::vector<std::uint64_t> words(sizeof page / sizeof(std::uint64_t));
    std::memcpy(words.data(), static_cast<const void*>(&page), sizeof page);
    return numbers("job-page", words);
}

FrameSample park_request() {
    const parked::Request request{2, {3, 4, 0, 0, 0, 0, 0, 0}};
    std::vector<std::int32_t> words(sizeof request / sizeof(std::int32_t));
    std::memcpy(words.data(), &request, sizeof request);
    return numbers("park-request", words);
}

}  // namespace

std::vector<MessageSample> message_samples() {
    std::vector<MessageSample> samples;
    const auto add = [&](auto message) {
        Filler filler(message.type, Filler::Text::readable);
        filler.fill(message);
        const auto envelope = message.type < first_job_message ? filler.envelope() : wire::Envelope{};
        samples.push_back(
            {fmt::format("{:03}-{}", static_cast<int>(message.type), message.name), envelope, message});
    };
    std::apply([&](const auto&... messages) { (add(messages), ...); }, wire::Table{});
    return samples;
}

std::vector<FrameSample> frame_samples() {
    std::vector<FrameSample> samples{chunk_header(), job_page(), park_request(),
                                     numbers<std::int32_t>("park-report", {11})};
    for (const auto type : {DataType::bipolar(), DataType::uint(1), DataType::uint(2), DataType::sint(3),
                            DataType::uint(4), DataType::sint(5), DataType::sint(8), DataType::uint(9),
                            DataType::sint(16), DataType::sint(17), DataType::sint(32)})
        samples.push_back(tensor(type));
    return samples;
}

}  // namespace fard
