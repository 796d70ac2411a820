"""A folded matrix-vector unit in SystemVerilog, as FINN folds its MVAU: an independent thing to synthesise and to compare estimates with.

A vector of COLUMNS unsigned numbers comes in words of SIMD; ROWS results leave in words of PE. Every cycle PE rows are multiplied by
SIMD columns; the input is kept for the rows that come later. Each result is compared with its row's thresholds: how many it reaches is
what leaves. Weights lie in a memory of words of PE x SIMD weights, thresholds in one of words of PE rows.
"""

import numpy as np


class Unit:
    """Sizes, and weights and thresholds drawn from a seed."""

    def __init__(self, columns, rows, pe, simd, weight_bits, bits, memory, seed=1):
        if columns % simd or rows % pe:
            raise ValueError(f"{simd} must divide {columns}, and {pe} {rows}")
        self.columns, self.rows, self.pe, self.simd = columns, rows, pe, simd
        self.weight_bits, self.bits, self.memory = weight_bits, bits, memory
        random = np.random.default_rng(seed)
        low, high = -(2 ** (weight_bits - 1)), 2 ** (weight_bits - 1) - 1
        self.weights = random.integers(low, high + 1, (rows, columns))
        steps, most = 2**bits - 1, 2**bits - 1
        # Where results of inputs drawn evenly lie.
        spread = np.sqrt((self.weights.astype(float) ** 2).sum(axis=1)) * most / 3.4
        middle = self.weights.sum(axis=1) * most / 2
        ranks = np.linspace(-1.2, 1.2, steps)
        self.thresholds = np.round(middle[:, None] + spread[:, None] * ranks[None, :]).astype(int)
        reach = int(np.abs(self.weights).sum(axis=1).max()) * most
        self.sum_bits = max(reach, int(np.abs(self.thresholds).max())).bit_length() + 1

    def results(self, vectors):
        sums = vectors @ self.weights.T
        return (sums[:, :, None] >= self.thresholds[None, :, :]).sum(axis=2)

    @property
    def cycles(self):
        """Between two vectors."""
        return self.columns // self.simd * (self.rows // self.pe)

    def weight_words(self):
        return self.words(self.weights, self.simd, self.weight_bits)

    def threshold_words(self):
        return self.words(self.thresholds, self.thresholds.shape[1], self.sum_bits)

    def words(self, table, across, bits):
        """Row by row of PE, then `across` columns at a time; the first element in the lowest bits."""
        lines = []
        for row in range(0, self.rows, self.pe):
            for column in range(0, table.shape[1], across):
                word = 0
                block = table[row:row + self.pe, column:column + across].reshape(-1)
                for place, value in enumerate(block):
                    word |= (int(value) & (2**bits - 1)) << (place * bits)
                lines.append(f"{word:0{(self.pe * across * bits + 3) // 4}x}")
        return "\n".join(lines) + "\n"

    def verilog(self, weight_file, threshold_file):
        return TEMPLATE.format(columns=self.columns, rows=self.rows, pe=self.pe, simd=self.simd, weight_bits=self.weight_bits,
                               bits=self.bits, sum_bits=self.sum_bits, style={"block": "block", "distributed": "logic"}[self.memory], weight_file=weight_file,
                               threshold_file=threshold_file)


TEMPLATE = """\
module matrix_unit (
    input  wire                    clk, reset,
    input  wire [{simd}*{bits}-1:0] in_data,
    input  wire                    in_valid,
    output wire                    in_ready,
    output reg  [{pe}*{bits}-1:0]  out_data,
    output reg                     out_valid,
    input  wire                    out_ready
);
    localparam PE = {pe}, SIMD = {simd}, WB = {weight_bits}, AB = {bits}, SB = {sum_bits};
    localparam FOLDS = {columns} / SIMD, GROUPS = {rows} / PE, STEPS = (1 << AB) - 1;
    localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1, GROUP_BITS = GROUPS > 1 ? $clog2(GROUPS) : 1;
    localparam WORD_BITS = FOLDS * GROUPS > 1 ? $clog2(FOLDS * GROUPS) : 1;

    // Everything moves, or nothing does.
    wire moves = !out_valid | out_ready;

    reg [FOLD_BITS-1:0]  fold;
    reg [GROUP_BITS-1:0] group;
    reg [WORD_BITS-1:0]  word;
    wire fresh = group == 0;  // of the first rows the input is new, of the others it is read again
    wire last_fold = fold == FOLDS - 1, last_group = group == GROUPS - 1;
    wire steps = moves & (!fresh | in_valid);
    assign in_ready = moves & fresh;
    always @(posedge clk)
        if (reset) begin
            fold <= 0; group <= 0; word <= 0;
        end else if (steps) begin
            fold <= last_fold ? 0 : fold + 1;
            if (last_fold) group <= last_group ? 0 : group + 1;
            word <= last_fold & last_group ? 0 : word + 1;
        end

    (* ram_style = "distributed" *) reg [SIMD*AB-1:0] kept [0:FOLDS-1];
    always @(posedge clk) if (steps & fresh) kept[fold] <= in_data;

    // First the operands,
    (* ram_style = "{style}", rom_style = "{style}" *) reg [PE*SIMD*WB-1:0] weights [0:FOLDS*GROUPS-1];
    initial $readmemh("{weight_file}", weights);
    reg [PE*SIMD*WB-1:0] w;
    reg [SIMD*AB-1:0]    x;
    reg                  x_valid, x_first, x_last;
    reg [GROUP_BITS-1:0] x_group;
    always @(posedge clk) begin
        if (steps) begin
            w <= weights[word];
            x <= fresh ? in_data : kept[fold];
            x_first <= fold == 0; x_last <= last_fold; x_group <= group;
        end
        if (reset) x_valid <= 0; else if (moves) x_valid <= steps;
    end

    // then for each row the sum of SIMD products,
    reg signed [SB-1:0]  dot [0:PE-1];
    reg                  dot_valid, dot_first, dot_last;
    reg [GROUP_BITS-1:0] dot_group;
    integer p, s;
    reg signed [SB-1:0] sum;
    always @(posedge clk) begin
        if (reset) dot_valid <= 0;
        else if (moves) begin
            dot_valid <= x_valid;
            dot_first <= x_first; dot_last <= x_last; dot_group <= x_group;
            for (p = 0; p < PE; p = p + 1) begin
                sum = 0;
                for (s = 0; s < SIMD; s = s + 1)
                    sum = sum + $signed(w[(p*SIMD+s)*WB +: WB]) * $signed({{1'b0, x[s*AB +: AB]}});
                dot[p] <= sum;
            end
        end
    end

    // then the sum over all columns,
    reg signed [SB-1:0]  total [0:PE-1];
    reg                  total_valid;
    reg [GROUP_BITS-1:0] total_group;
    integer t;
    always @(posedge clk) begin
        if (reset) total_valid <= 0;
        else if (moves) begin
            total_valid <= dot_valid & dot_last;
            total_group <= dot_group;
            for (t = 0; t < PE; t = t + 1)
                if (dot_valid) total[t] <= dot_first ? dot[t] : total[t] + dot[t];
        end
    end

    // and how many thresholds it reaches.
    (* ram_style = "logic", rom_style = "logic" *) reg [PE*STEPS*SB-1:0] thresholds [0:GROUPS-1];
    initial $readmemh("{threshold_file}", thresholds);
    wire [PE*STEPS*SB-1:0] limits = thresholds[total_group];
    integer q, k;
    reg [AB-1:0] reached;
    always @(posedge clk) begin
        if (reset) out_valid <= 0;
        else if (moves) begin
            out_valid <= total_valid;
            for (q = 0; q < PE; q = q + 1) begin
                reached = 0;
                for (k = 0; k < STEPS; k = k + 1)
                    if (total[q] >= $signed(limits[(q*STEPS+k)*SB +: SB])) reached = reached + 1'b1;
                out_data[q*AB +: AB] <= reached;
            end
        end
    end
endmodule
"""

BENCH = """\
module bench;
    reg clk = 0, reset = 1;
    always #5 clk = !clk;
    reg [{simd}*{bits}-1:0] inputs [0:{words_in}-1];
    reg [{pe}*{bits}-1:0] wanted [0:{words_out}-1];
    initial begin
        $readmemh("{input_file}", inputs);
        $readmemh("{wanted_file}", wanted);
        repeat (4) @(posedge clk);
        #1 reset = 0;
    end
    integer at = 0, got = 0, wrong = 0, cycles = 0, seed = 1;
    reg in_valid = 0, out_ready = 0, took = 0;
    wire in_ready, out_valid;
    wire [{pe}*{bits}-1:0] out_data;
    matrix_unit unit(clk, reset, inputs[at], in_valid, in_ready, out_data, out_valid, out_ready);
    always @(posedge clk) if (!reset) begin
        cycles = cycles + 1;
        if (out_valid & out_ready) begin
            if (out_data !== wanted[got]) wrong = wrong + 1;
            got = got + 1;
        end
        took = in_valid & in_ready;
        if (got == {words_out} || cycles > {most_cycles}) begin
            $display("%0d %0d %0d", got, wrong, cycles);
            $finish;
        end
        #1 if (took) at = at + 1;
        in_valid = at < {words_in} && ({stalls} == 0 || ($random(seed) & 3) != 0);
        out_ready = {stalls} == 0 || ($random(seed) & 1) != 0;
    end
endmodule
"""
