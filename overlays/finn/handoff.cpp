// libxml2's reader is called here and nowhere else.
#include "overlays/finn/handoff.hpp"

#include <libxml/xmlreader.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

namespace fard::finn {
namespace {

constexpr std::size_t max_bytes = std::size_t{64} << 20;
constexpr std::size_t max_blocks = 1000;

using Reader = std::unique_ptr<xmlTextReader, decltype(&xmlFreeTextReader)>;

std::string attribute(xmlTextReaderPtr reader, const char* name) {
    xmlChar* value = xmlTextReaderGetAttribute(reader, reinterpret_cast<const xmlChar*>(name));
    std::string text = value ? reinterpret_cast<const char*>(value) : "";
    xmlFree(value);
    // What is shown to people later holds no control characters.
    std::erase_if(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
    return text;
}

// The first error that libxml2 reports.
struct Complaint {
    std::string text;
    int line = 0;
};
void take_complaint(void* state, const xmlError* error) {
    auto& complaint = *static_cast<Complaint*>(state);
    if (!complaint.text.empty() || !error || !error->message) return;
    complaint.text = error->message;
    while (!complaint.text.empty() && complaint.text.back() == '\n') complaint.text.pop_back();
    complaint.line = error->line;
}
extern "C" void fard_handoff_complaint(void* state, xmlErrorPtr error) {
    take_complaint(state, error);
}

Result<std::uint64_t> address(const std::string& text, const std::string& where, int line) {
    std::uint64_t value = 0;
    const bool prefixed = text.starts_with("0x") || text.starts_with("0X");
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + (prefixed ? 2 : 0), end, value, 16);
    if (!prefixed || error != std::errc{} || stop != end)
        return fail(Fault::invalid_input, "{}:{}: '{}' is no address", where, line, text);
    return value;
}

struct Parse {
    const std::string& where;
    Handoff out;
    std::map<std::string, std::string> types;  // of instances
    bool is_handoff = false;

    Result<> element(xmlTextReaderPtr reader) {
        const std::string_view name = reinterpret_cast<const char*>(xmlTextReaderConstLocalName(reader));
        if (name == "EDKSYSTEM") system(reader);
        else if (name == "SYSTEMINFO") system_info(reader);
        else if (name == "MODULE") types[attribute(reader, "INSTANCE")] = attribute(reader, "VLNV");
        else if (name == "PARAMETER") parameter(reader);
        else if (name == "MEMRANGE") return range(reader);
        return {};
    }

    void system(xmlTextReaderPtr reader) {
        is_handoff = xmlTextReaderDepth(reader) == 0;
        out.vivado = attribute(reader, "VIVADOVERSION");
        out.timestamp = attribute(reader, "TIMESTAMP");
    }
    void system_info(xmlTextReaderPtr reader) {
        out.arch = attribute(reader, "ARCH");
        const auto package = attribute(reader, "PACKAGE");
        out.part = attribute(reader, "DEVICE");
        if (!package.empty()) out.part += (out.part.starts_with("7") ? "" : "-") + package;
    }
    void parameter(xmlTextReaderPtr reader) {
        const auto name = attribute(reader, "NAME");
        if (name != "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ" && name != "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ") return;
        const auto text = attribute(reader, "VALUE");
        double mhz = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), mhz).ec == std::errc{} && mhz > 0 && mhz < 10'000)
            out.clock_mhz = mhz;
    }
    Result<> range(xmlTextReaderPtr reader) {
        if (attribute(reader, "MEMTYPE") != "REGISTER") return {};
        const int line = xmlTextReaderGetParserLineNumber(reader);
        const auto base = address(attribute(reader, "BASEVALUE"), where, line);
        const auto high = address(attribute(reader, "HIGHVALUE"), where, line);
        if (!base) return fail(base.error());
        if (!high) return fail(high.error());
        Block block{attribute(reader, "INSTANCE"), "", *base, *high - *base + 1};
        if (*high < *base || block.name.empty())
            return fail(Fault::invalid_input, "{}:{}: a range of addresses without a name or with its end before its beginning",
                        where, line);
        if (out.blocks.size() == max_blocks)
            return fail(Fault::invalid_input, "{}:{}: more than {} ranges of addresses", where, line, max_blocks);
        // Each master of the processor lists the range again.
        const bool known = std::ranges::any_of(
            out.blocks, [&](const Block& other) { return other.name == block.name && other.base == block.base; });
        if (!known) out.blocks.push_back(std::move(block));
        return {};
    }

    Result<> finish() {
        if (!is_handoff)
            return fail(Fault::invalid_input, "{} is no hardware hand-off (.hwh): its root is no EDKSYSTEM", where);
        for (auto& block : out.blocks)
            if (const auto type = types.find(block.name); type != types.end()) block.type = type->second;
        std::ranges::stable_sort(out.blocks, {}, &Block::base);
        for (std::size_t i = 1; i < out.blocks.size(); ++i) {
            const auto &low = out.blocks[i - 1], &high = out.blocks[i];
            if (high.base - low.base < low.bytes)
                return fail(Fault::invalid_input, "{}: the addresses of {} (0x{:x}) and {} (0x{:x}) overlap", where, low.name,
                            low.base, high.name, high.base);
        }
        return {};
    }
};

}  // namespace

const Block* Handoff::find(std::string_view name) const {
    const auto found = std::ranges::find(blocks, name, &Block::name);
    return found == blocks.end() ? nullptr : &*found;
}

Result<Handoff> read_handoff(std::string_view xml, const std::string& where) {
    if (xml.size() > max_bytes)
        return fail(Fault::invalid_input, "{} is larger ({} bytes) than any hardware hand-off", where, xml.size());
    const Reader reader(xmlReaderForMemory(xml.data(), static_cast<int>(xml.size()), nullptr, nullptr, XML_PARSE_NONET),
                        xmlFreeTextReader);
    if (!reader) return fail(Fault::failed, "{}: no memory to read it", where);
    Complaint complaint;
    xmlTextReaderSetStructuredErrorHandler(reader.get(), fard_handoff_complaint, &complaint);
    Parse parse{where, {}, {}};
    int more = 0;
    while ((more = xmlTextReaderRead(reader.get())) == 1) {
        const int kind = xmlTextReaderNodeType(reader.get());
        if (kind == XML_READER_TYPE_DOCUMENT_TYPE)
            return fail(Fault::invalid_input, "{} declares a document type, which no hardware hand-off does; fard reads none", where);
        if (kind != XML_READER_TYPE_ELEMENT) continue;
        if (auto taken = parse.element(reader.get()); !taken) return fail(taken.error());
    }
    if (more < 0)
        return fail(Fault::corrupt, "{}:{}: {}; it is damaged or cut short, copy it again", where, complaint.line,
                    complaint.text.empty() ? "no XML" : complaint.text);
    if (auto finished = parse.finish(); !finished) return fail(finished.error());
    return std::move(parse.out);
}

}  // namespace fard::finn
