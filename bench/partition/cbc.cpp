// The ILP by COIN-OR's CBC, with its variables and constraints as finn-plus has them.
#include <coin/Cbc_C_Interface.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <cstdio>
#include <limits>
#include <utility>

#include "bench/partition/partition.hpp"

namespace fard::partition {
namespace {

using Terms = std::vector<std::pair<std::size_t, double>>;  // variable, factor
constexpr double infinity = std::numeric_limits<double>::max();

// Columns of variables, rows of constraints.
class Program {
  public:
    std::size_t variable(bool whole, double most = infinity) {
        columns_.emplace_back();
        most_.push_back(most);
        whole_.push_back(whole);
        return columns_.size() - 1;
    }
    std::size_t choice() { return variable(true, 1); }
    void between(double least, const Terms& terms, double most) {
        for (const auto& [variable, factor] : terms)
            columns_[variable].emplace_back(rows_.size(), factor);
        rows_.emplace_back(least, most);
    }
    void equal(const Terms& terms, double value) { between(value, terms, value); }
    void at_least(const Terms& terms, double value) { between(value, terms, infinity); }
    void at_most(const Terms& terms, double value) { between(-infinity, terms, value); }
    // Variables are at least 0; `least` is made as small as can be.
    void load(Cbc_Model* model, std::size_t least) const {
        std::vector<CoinBigIndex> starts{0};
        std::vector<int> rows;
        std::vector<double> factors, zeros(columns_.size()), aim(columns_.size()), low, high;
        for (const auto& column : columns_) {
            for (const auto& [row, factor] : column) {
                rows.push_back(static_cast<int>(row));
                factors.push_back(factor);
            }
            starts.push_back(static_cast<CoinBigIndex>(rows.size()));
        }
        for (const auto& [from, to] : rows_) {
            low.push_back(from);
            high.push_back(to);
        }
        aim[least] = 1;
        Cbc_loadProblem(model, static_cast<int>(columns_.size()), static_cast<int>(rows_.size()), starts.data(), rows.data(), factors.data(),
                        zeros.data(), most_.data(), aim.data(), low.data(), high.data());
        for (std::size_t i = 0; i < whole_.size(); ++i)
            if (whole_[i]) Cbc_setInteger(model, static_cast<int>(i));
    }

  private:
    std::vector<std::vector<std::pair<std::size_t, double>>> columns_;
    std::vector<double> most_;
    std::vector<bool> whole_;
    std::vector<std::pair<double, double>> rows_;
};

struct Partitioning {
    Program program;
    std::vector<std::size_t> chosen;  // by layer: the number of its FPGA
    std::size_t largest = 0;          // what is made least
};

// Each layer on one FPGA; where it is as a number, neighbours at most one apart, layers without a cut between them together.
std::vector<std::vector<std::size_t>> place(Partitioning& ilp, const Task& task) {
    auto& program = ilp.program;
    const auto layers = task.network.layers.size();
    std::vector<std::vector<std::size_t>> on(layers, std::vector<std::size_t>(task.boards));
    for (auto& choices : on)
        for (auto& choice : choices)
            choice = program.choice();
    for (const auto& choices : on) {
        Terms one, number{{program.variable(true), -1}};
        for (std::size_t board = 0; board < task.boards; ++board) {
            one.emplace_back(choices[board], 1);
            number.emplace_back(choices[board], static_cast<double>(board));
        }
        program.equal(one, 1);
        program.equal(number, 0);
        ilp.chosen.push_back(number.front().first);
    }
    std::vector<bool> cut(layers + 1);
    for (const auto& place : task.network.cuts)
        cut[place.layers] = true;
    for (std::size_t layer = 0; layer + 1 < layers; ++layer) {
        if (!cut[layer + 1]) program.equal({{ilp.chosen[layer], 1}, {ilp.chosen[layer + 1], -1}}, 0);
        const auto apart = program.variable(true, 1);
        program.at_least({{apart, 1}, {ilp.chosen[layer], -1}, {ilp.chosen[layer + 1], 1}}, 0);
        program.at_least({{apart, 1}, {ilp.chosen[layer], 1}, {ilp.chosen[layer + 1], -1}}, 0);
    }
    program.equal({{ilp.chosen.front(), 1}}, 0);
    program.equal({{ilp.chosen.back(), 1}}, static_cast<double>(task.boards - 1));
    return on;
}

// Two ports: of the pairs of neighbours at most two have one layer on the FPGA and the other elsewhere.
void connect(Program& program, const std::vector<std::vector<std::size_t>>& on, std::size_t board) {
    Terms ports;
    for (std::size_t layer = 0; layer + 1 < on.size(); ++layer) {
        const auto leaves = program.variable(true);
        program.at_least({{leaves, 1}, {on[layer][board], -1}, {on[layer + 1][board], 1}}, 0);
        program.at_least({{leaves, 1}, {on[layer][board], 1}, {on[layer + 1][board], -1}}, 0);
        ports.emplace_back(leaves, 1);
    }
    ports.emplace_back(program.variable(true, 2), -1);
    program.equal(ports, 0);
}

// What an FPGA uses, as a number and as a share, and how far that is from the ideal.
void fill(Partitioning& ilp, const Task& task, const std::vector<std::vector<std::size_t>>& on, std::size_t board) {
    auto& program = ilp.program;
    constexpr double hardly_anything = 1e-7, least_distance = 1e-9;
    Terms any, all{{ilp.largest, 1}};
    const auto smallest = program.variable(false);
    for (const auto resource : resources_of(task)) {
        const auto used = program.variable(true, static_cast<double>(most_of(task, resource)));
        const auto share = program.variable(false), distance = program.variable(false);
        Terms sum{{used, -1}};
        for (std::size_t layer = 0; layer < on.size(); ++layer)
            if (const auto need = task.network.layers[layer].foldings.front().need.of[resource]; need > 0)
                sum.emplace_back(on[layer][board], static_cast<double>(need));
        program.equal(sum, 0);
        program.equal({{share, 1}, {used, -1 / static_cast<double>(task.board.whole.of[resource])}}, 0);
        program.at_least({{distance, 1}, {share, -1}}, -ideal_use);
        program.at_least({{distance, 1}, {share, 1}}, ideal_use);
        program.at_most({{smallest, 1}, {distance, -1}}, 0);
        any.emplace_back(share, 1);
        all.emplace_back(distance, -1);
    }
    program.at_least(any, hardly_anything);
    program.at_least({{smallest, 1}}, least_distance);
    program.at_least(all, 0);
}

Partitioning ilp_of(const Task& task) {
    Partitioning ilp;
    const auto on = place(ilp, task);
    ilp.largest = ilp.program.variable(false);
    for (std::size_t board = 0; board < task.boards; ++board) {
        connect(ilp.program, on, board);
        fill(ilp, task, on, board);
    }
    return ilp;
}

// The solver says what it does on standard output, where the table goes.
class Silence {
  public:
    Silence() : kept_(dup(1)), nowhere_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
        std::fflush(stdout);
        dup2(nowhere_, 1);
    }
    ~Silence() {
        std::fflush(stdout);
        dup2(kept_, 1);
        close(kept_);
        close(nowhere_);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

  private:
    int kept_, nowhere_;
};

std::optional<Answer> read_answer(const Cbc_Model* model, const Partitioning& ilp, const Task& task) {
    const auto* values = Cbc_getColSolution(const_cast<Cbc_Model*>(model));
    if (!values) return std::nullopt;
    const auto board_of = [&](std::size_t layer) { return std::lround(values[ilp.chosen[layer]]); };
    Answer answer;
    for (std::size_t cut = 1; cut < task.network.cuts.size(); ++cut) {
        const auto behind = task.network.cuts[cut].layers;
        if (behind == task.network.layers.size() || board_of(behind) != board_of(behind - 1)) answer.ends.push_back(cut);
    }
    if (answer.ends.size() != task.boards) return std::nullopt;
    answer.distance = Distances(task).of(answer.ends);
    return answer;
}

}  // namespace

bool has_cbc() { return true; }

Solved by_cbc(const Task& task, double seconds) {
    const Silence silence;
    const auto ilp = ilp_of(task);
    auto* model = Cbc_newModel();
    ilp.program.load(model, ilp.largest);
    Cbc_setParameter(model, "log", "0");
    Cbc_setParameter(model, "timeMode", "cpu");
    Cbc_setParameter(model, "seconds", std::to_string(seconds).c_str());
    const auto start = std::clock();
    Cbc_solve(model);
    Solved solved;
    solved.seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    solved.proven = Cbc_isProvenOptimal(model) || Cbc_isProvenInfeasible(model);
    solved.bound = Cbc_getBestPossibleObjValue(model);
    if (!Cbc_isProvenInfeasible(model) && Cbc_getObjValue(model) < 1e10) solved.answer = read_answer(model, ilp, task);
    Cbc_deleteModel(model);
    return solved;
}

}  // namespace fard::partition
