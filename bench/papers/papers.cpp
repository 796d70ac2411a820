// Every row of the papers beside us, in virtual time: their policy and ours, on the same boards with the same constants.
//
//   build/bench/papers --networks DIR [--folding DIR] [--paper NAME] [--svg DIR] [--json]
//
// DIR: what tools/bench_networks.py writes (mobilenet_v1_w4a4, squeezenet_qdq, mnist_fcnn_w4a4, mnist_cnn_w4a4). docs/papers.md explains the rows.
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <fmt/ranges.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/papers/ours.hpp"
#include "bench/papers/theirs.hpp"

using namespace fard;
using namespace fard::papers;
using nlohmann::json;

namespace {

struct Row {
    std::string name, unit;
    std::optional<double> published, measured;
    std::vector<std::string> fitted;  // "client software per message: 1.2 ms"
    std::optional<double> ours, bound;
    std::optional<double> goal;       // for the table
};

json number(const std::optional<double>& value) { return value ? json(*value) : json(); }

json json_of(const std::vector<Row>& rows) {
    auto list = json::array();
    for (const auto& row : rows)
        list.push_back({{"name", row.name},
                        {"unit", row.unit},
                        {"theirs_published", number(row.published)},
                        {"theirs_measured", number(row.measured)},
                        {"fitted", row.fitted},
                        {"ours", number(row.ours)},
                        {"bound", number(row.bound)}});
    return {{"rows", list}};
}

std::string cell(const std::optional<double>& value) { return value ? fmt::format("{:.4g}", *value) : "-"; }

void print(const std::vector<Row>& rows) {
    fmt::print("{:<66} {:>7} {:>9} {:>9} {:>6} {:>9} {:>9} {:>6}  {}\n", "all simulated", "unit", "published", "theirs", "off %", "ours", "bound",
               "ratio", "fitted");
    for (const auto& row : rows) {
        const auto off = row.published && row.measured ? fmt::format("{:+.1f}", (*row.measured / *row.published - 1) * 100) : "-";
        const auto ratio = row.ours && row.published ? fmt::format("{:.2f}", *row.ours / *row.published) : "-";
        fmt::print("{:<66} {:>7} {:>9} {:>9} {:>6} {:>9} {:>9} {:>6}  {}\n", row.name, row.unit, cell(row.published), cell(row.measured), off,
                   cell(row.ours), cell(row.bound), ratio, fmt::join(row.fitted, "; "));
    }
}

class Papers {
  public:
    Papers(Setting setting, std::filesystem::path svg) : setting_(std::move(setting)), svg_(std::move(svg)) {}

    // All, or those of one paper.
    Result<std::vector<Row>> run(const std::string& paper) {
        using Part = Result<> (Papers::*)();
        const std::pair<const char*, Part> parts[] = {{"gretsi", &Papers::gretsi},     {"fiscaletti", &Papers::fiscaletti},
                                                      {"wipiec", &Papers::wipiec},     {"mageiropoulos", &Papers::mageiropoulos},
                                                      {"elastic-df", &Papers::elastic}, {"granger", &Papers::granger}};
        for (const auto& [name, part] : parts) {
            if (!paper.empty() && paper != name) continue;
            if (auto r = (this->*part)(); !r) return fail(r.error());
        }
        if (rows_.empty()) return fail(Fault::invalid_input, "--paper {}: gretsi, fiscaletti, wipiec, mageiropoulos, elastic-df or granger", paper);
        return std::move(rows_);
    }

  private:
    // One row of ours, and the same at half and at double the host costs.
    Result<> add(Row row, const Ask& ask) {
        for (const double host : {1.0, 0.5, 2.0}) {
            if (host != 1 && !ask.at_other_hosts) continue;
            auto setting = setting_;
            setting.host = host;
            const auto got = ours(setting, ask);
            if (!got) return fail_in(row.name, got.error());
            auto now = host == 1 ? row : Row{row.name, row.unit};
            now.ours = got->value;
            now.bound = got->bound;
            now.name += got->note;
            if (host != 1) now.name += host < 1 ? ", host costs halved" : ", host costs doubled";
            fmt::print(stderr, "{}: theirs {}, ours {:.4g} {}, at most {:.4g}\n", now.name, cell(now.measured), *now.ours, now.unit, *now.bound);
            rows_.push_back(std::move(now));
            if (host == 1 && !svg_.empty() && !ask.picture.empty())
                std::ofstream(svg_ / (ask.picture + ".svg")) << got->timeline;
        }
        return {};
    }

    Result<> gretsi() {
        const auto fit = fit_central(setting_, 0.3079, 1 / 123.8);
        if (!fit) return fail(fit.error());
        const std::vector<std::string> fitted{fmt::format("client software {:.3g} ms for each message", fit->client_s_per_message * 1e3),
                                              fmt::format("{:.3g} ns for each byte between two stages", fit->client_s_per_byte * 1e9)};
        const auto one = central_mobilenet(setting_, *fit, 1), many = central_mobilenet(setting_, *fit, 64);
        const auto cnv = central_cnv(setting_, *fit, 100);
        if (!one) return fail(one.error());
        if (!many) return fail(many.error());
        if (!cnv) return fail(cnv.error());
        fmt::print(stderr, "GRETSI: {} stages, FPGA compute {:.2f} ms (published 28.50), {} messages at the client, {} bytes between stages, loads {:.1f} ms (published "
                   "459.6)\n", one->stages, one->compute_s * 1e3, one->messages, one->bytes, one->load_s * 1e3);
        const std::string three = "MobileNetV1 W4A4, six bitstreams on three Zedboards";
        rows_.push_back({"GRETSI: both loads of one image", "1/s", 1 / 0.4596, 1 / one->load_s, {}, {}, {}});
        rows_.push_back({"GRETSI: an image without the loads", "1/s", 1 / 0.3079, 1 / (one->wall_s - one->load_s), fitted, {}, {}});
        Ask ask{.network = "mobilenet_v1_w4a4", .pixels = image_bytes, .profile = "zedboard", .boards = 3, .chunks = 1};
        ask.picture = "turns_one";
        if (auto r = add({"GRETSI: " + three + ", one image", "img/s", 1.302, 1 / one->wall_s, fitted, {}, {}}, ask); !r) return r;
        ask.chunks = 64;
        ask.picture = "turns_64";
        if (auto r = add({"GRETSI: " + three + ", 64 images", "img/s", 64 / (64 * 0.3079 + 0.4596), 64 / many->wall_s, fitted, {}, {}}, ask); !r) return r;
        Ask two{.network = "cnv_w2a2", .pixels = cifar_bytes, .profile = "zedboard", .boards = 2, .chunks = 4'000, .loaded = true, .steady = true};
        return add({"GRETSI: CnvW2A2 on two Zedboards", "img/s", 123.8, 100 / cnv->wall_s, fitted, {}, {}}, two);
    }

    Result<> fiscaletti() {
        const auto message_s = fit_python(setting_, 0.084, 719.56);
        if (!message_s) return fail(message_s.error());
        const std::vector<std::string> fitted{fmt::format("Python, {:.3g} ms for each message", *message_s * 1e3)};
        const auto wall = fard_wall_s(setting_, *message_s, 20), per_s = bnnsplit_per_s(setting_, *message_s);
        if (!wall) return fail(wall.error());
        if (!per_s) return fail(per_s.error());
        Ask ask{.network = "cnv_w2a2", .pixels = cifar_bytes, .profile = "pynq-z1", .boards = 2, .chunks = 20, .loaded = true};
        if (auto r = add({"FARD + jobs: 20 images of CnvW2A2 on two PYNQ-Z1", "img/s", 20 / 0.084, 20 / *wall, fitted, {}, {}}, ask); !r) return r;
        ask.boards = 3;
        ask.chunks = 4'000;
        ask.steady = true;
        return add({"BNNsplit: CnvW2A2 on three PYNQ-Z1", "img/s", 719.56, *per_s, fitted, {}, {}}, ask);
    }

    Result<> wipiec() {
        const auto theirs = resident_mobilenet(setting_);
        if (!theirs) return fail(theirs.error());
        const std::vector<std::string> power{"of 2.696 W a board: 2.54 always, .12 computing, .036 each way"};
        Ask ask{.network = "mobilenet_v1_w4a4", .pixels = image_bytes, .profile = "zedboard", .boards = 6, .chunks = 2'000, .loaded = true, .steady = true,
                .input_at_first = true};
        if (auto r = add({"WiPiEC: MobileNetV1 W4A4 resident on six Zedboards, input there", "img/s", 118.3, theirs->per_s, {}, {}, {}}, ask); !r) return r;
        auto joule = ask;
        joule.picture.clear();
        joule.per_joule = true;
        joule.at_other_hosts = false;
        if (auto r = add({"WiPiEC: the same", "img/J", 118.3 / 16.176, theirs->per_s / theirs->watts, power, {}, {}}, joule); !r) return r;
        ask.input_at_first = false;
        ask.picture.clear();
        return add({"the same, raw images over one link of 100 Mbit/s (78.8)", "img/s", {}, {}, {}, {}, {}}, ask);
    }

    Result<> mageiropoulos() {
        const auto theirs = six_fpgas(setting_);
        if (!theirs) return fail(theirs.error());
        Ask ask{.network = "squeezenet_qdq", .pixels = 154'587, .profile = "zcu102", .boards = 6, .chunks = 2'000, .loaded = true, .steady = true, .clock_mhz = 200};
        if (auto r = add({"SqueezeNet v1.0, 8 bits, six ZU9EG at 200 MHz", "img/s", 251, theirs->per_s, {}, {}, {}}, ask); !r) return r;
        ask.chunks = 1;
        ask.steady = false;
        return add({"SqueezeNet v1.0: one image", "img/s", 1 / 0.024, 1 / theirs->latency_s, {}, {}, {}}, ask);
    }

    Result<> elastic() {
        for (const std::size_t count : {1, 2}) {
            Ask ask{.network = "mobilenet_v1_w4a4", .pixels = image_bytes, .profile = "u280", .boards = count, .chunks = 4'000, .loaded = true, .steady = true};
            ask.at_other_hosts = false;
            if (auto r = add({fmt::format("Elastic-DF: MobileNetV1 on {} U280 (prediction only)", count), "img/s", count == 1 ? 3741.0 : 5923.0, {}, {}, {}, {}}, ask); !r)
                return r;
        }
        return {};
    }

    Result<> granger() {
        for (const auto* name : {"mnist_fcnn_w4a4", "mnist_cnn_w4a4"}) {
            Ask ask{.network = name, .pixels = 784, .profile = "pynq-z2", .boards = 5, .chunks = 4'000, .loaded = true, .steady = true};
            ask.at_other_hosts = false;
            if (auto r = add({fmt::format("Granger et al.: {} on five PYNQ-Z2", name), "img/s", {}, {}, {}, {}, {}}, ask); !r) return r;
        }
        return {};
    }

    Setting setting_;
    std::filesystem::path svg_;
    std::vector<Row> rows_;
};

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    po::options_description options;
    std::string networks, svg, paper;
    const char* data = std::getenv("FARD_TEST_DATA");
    std::string foldings = std::string(data ? data : "../shared/data") + "/finn/folding";
    options.add_options()("networks", po::value(&networks)->required(), "")("folding", po::value(&foldings), "")("svg", po::value(&svg), "")("paper", po::value(&paper), "")("json", "");
    po::variables_map given;
    try {
        po::store(po::parse_command_line(argc, argv, options), given);
        po::notify(given);
    } catch (const po::error& error) {
        fmt::print(stderr, "papers: {}\n", error.what());
        return 2;
    }
    const auto rows = Papers({networks, FARD_SOURCE_ROOT, foldings}, svg).run(paper);
    if (!rows) {
        fmt::print(stderr, "papers: {}\n", rows.error().message);
        return exit_code(rows.error().fault);
    }
    if (given.contains("json"))
        fmt::print("{}\n", json_of(*rows).dump(1));
    else
        print(*rows);
    return 0;
}
