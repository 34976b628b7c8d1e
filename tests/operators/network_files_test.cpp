#include "operators/network_file.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "io/hdf5.hpp"
#include "io/temporary_folder.hpp"
#include "onnx_bytes.hpp"

namespace komori::operators {
namespace {

using io::TemporaryFolder;
using models::NetworkLayer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Numbers = std::vector<double>;
using Layers = std::vector<NetworkLayer>;

/// One to seven roundings of numbers of order 1.
constexpr double rounding = 1e-13;

Numbers image(const Layers& layers, Numbers x) {
  for (const NetworkLayer& layer : layers) {
    Numbers y(layer.neurons);
    models::propagate(layer, x, y);
    x = std::move(y);
  }
  return x;
}

Numbers affine(const std::vector<Numbers>& weight, const Numbers& bias, const Numbers& x) {
  Numbers y = bias;
  for (std::size_t i = 0; i < y.size(); ++i) {
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += weight[i][j] * x[j];
  }
  return y;
}

Numbers each(const std::function<double(double)>& f, Numbers x) {
  for (double& value : x) value = f(value);
  return x;
}

void expect_near(const Numbers& actual, const Numbers& expected, double tolerance = rounding) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << i;
  }
}

double relu(double z) {
  return std::max(z, 0.0);
}

class NetworkFiles : public testing::Test {
protected:
  Layers read(const std::string& bytes) const {
    folder_.put("net.onnx", bytes);
    return read_network(folder_.comm(), folder_.file("net.onnx"), {});
  }
  Layers read(const OnnxBytes& file) const { return read(file.bytes()); }
  std::string refusal(const std::string& bytes) const {
    const std::string message = io::message_of<base::InputError>([&] { read(bytes); });
    EXPECT_THAT(message, AllOf(StartsWith(fmt::format("'{}': ", folder_.file("net.onnx"))),
                               Not(HasSubstr("\n"))));
    return message;
  }
  std::string refusal(const OnnxBytes& file) const { return refusal(file.bytes()); }

  struct Array {
    std::string name;
    std::vector<hsize_t> shape;
    Numbers values;
  };
  /// An HDF5 file as h5py writes it.
  std::string made(const std::vector<Array>& arrays) const {
    const std::string path = folder_.file("net.h5");
    base::on_first_rank(folder_.comm(), [&] {
      const io::File file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), path);
      for (const Array& array : arrays) {
        const io::Dataspace space(
            H5Screate_simple(static_cast<int>(array.shape.size()), array.shape.data(), nullptr),
            path);
        const io::Dataset dataset(H5Dcreate2(file.get(), array.name.c_str(), H5T_IEEE_F32LE,
                                             space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                  path);
        io::check_hdf5(H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                array.values.data()),
                       path);
      }
      return std::string();
    });
    return path;
  }
  Layers read_h5(const std::vector<Array>& arrays, const std::vector<std::string>& words) const {
    return read_network(folder_.comm(), made(arrays), {.activations = words});
  }
  std::string refusal_h5(const std::vector<Array>& arrays,
                         const std::vector<std::string>& words = {"tanh"}) const {
    return io::message_of<base::InputError>([&] { read_h5(arrays, words); });
  }

  TemporaryFolder folder_;
};

/// Numbers that single precision holds exactly.
const std::vector<Numbers> w1{{0.5, -1.25}, {2, 0.75}, {-0.5, 1}};
const Numbers b1{0.125, -0.5, 1};
const std::vector<Numbers> w2{{1, -0.5, 0.25}, {0.75, 2, -1}};
const Numbers b2{0.5, -0.25};
const Numbers x0{0.625, -0.375};

Numbers flat(const std::vector<Numbers>& rows, bool transposed = false) {
  Numbers all;
  if (!transposed) {
    for (const Numbers& row : rows) all.insert(all.end(), row.begin(), row.end());
    return all;
  }
  for (std::size_t j = 0; j < rows.front().size(); ++j) {
    for (const Numbers& row : rows) all.push_back(row[j]);
  }
  return all;
}

/// x -> W1 x + b1 as PyTorch exports it.
OnnxBytes first_layer(const std::vector<std::int64_t>& shape = {-1, 2}) {
  OnnxBytes file(shape);
  file.tensor("w1", {3, 2}, flat(w1), OnnxBytes::type_float).tensor("b1", {3}, b1);
  file.node("Gemm", {"x", "w1", "b1"}, "z1", {whole("transB", 1)});
  return file;
}

TEST_F(NetworkFiles, a_chain_of_products_and_activations_becomes_as_many_layers) {
  OnnxBytes file = first_layer();
  file.node("Tanh", {"z1"}, "h1");
  file.tensor("w2", {3, 2}, flat(w2, true)).tensor("b2", {1, 2}, b2);
  file.node("MatMul", {"h1", "w2"}, "m2").node("Add", {"b2", "m2"}, "y");

  const Layers layers = read(file);

  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].weight, flat(w1));
  EXPECT_EQ(layers[0].bias, b1);
  EXPECT_EQ(layers[0].activation, std::vector{models::Activation::tanh});
  EXPECT_EQ(layers[1].weight, flat(w2));
  EXPECT_EQ(layers[1].bias, b2);
  EXPECT_EQ(layers[1].activation, std::vector{models::Activation::identity});
  EXPECT_THAT(layers[0].name, AllOf(HasSubstr("net.onnx"), HasSubstr("n_h1")));
}

TEST_F(NetworkFiles, every_activation_is_its_function) {
  const auto leaky = [](double z) { return z < 0 ? 0.125 * z : z; };
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const auto gelu = [](double z) { return z * std::erfc(-z / std::numbers::sqrt2) / 2; };
  const std::vector<std::pair<std::string, std::function<double(double)>>> functions{
      {"Relu", relu},       {"LeakyRelu", leaky},   {"Tanh", [](double z) { return std::tanh(z); }},
      {"Sigmoid", sigmoid}, {"Softplus", softplus}, {"Erf", [](double z) { return std::erf(z); }},
      {"Gelu", gelu}};
  for (const auto& [type, function] : functions) {
    OnnxBytes file = first_layer();
    file.node(type, {"z1"}, "y",
              type == "LeakyRelu" ? std::vector{real("alpha", 0.125F)}
                                  : std::vector<std::string>());
    const Layers layers = read(file);
    EXPECT_EQ(layers.size(), 1U) << type;
    expect_near(image(layers, x0), each(function, affine(w1, b1, x0)));
  }
}

TEST_F(NetworkFiles, both_ways_to_write_the_gelu_are_recognised) {
  const auto gelu = [](double z) { return z * std::erfc(-z / std::numbers::sqrt2) / 2; };
  const Numbers expected = each(gelu, affine(w1, b1, x0));
  OnnxBytes file = first_layer();
  file.tensor("root", {}, {std::numbers::sqrt2}, OnnxBytes::type_float);
  file.tensor("one", {}, {1}).tensor("half", {1}, {0.5});
  file.node("Div", {"z1", "root"}, "u").node("Erf", {"u"}, "e").node("Add", {"e", "one"}, "f");
  OnnxBytes other = file;
  file.node("Mul", {"z1", "f"}, "g").node("Mul", {"g", "half"}, "y");
  other.node("Mul", {"z1", "half"}, "g").node("Mul", {"f", "g"}, "y");

  for (const OnnxBytes& form : {file, other}) {
    const Layers layers = read(form);
    EXPECT_EQ(layers.front().activation, std::vector{models::Activation::gelu});
    expect_near(image(layers, x0), expected);
  }
}

TEST_F(NetworkFiles, normalisation_is_folded_into_weights) {
  const auto normalised = [](const Numbers& z) {
    Numbers y(z.size());
    const Numbers scale{2, -1, 0.5}, shift{0.25, 0, 1}, mean{0.5, -1, 0}, variance{1, 4, 0.25};
    for (std::size_t i = 0; i < z.size(); ++i) {
      y[i] = scale[i] * (z[i] - mean[i]) / std::sqrt(variance[i] + 0.0625) + shift[i];
    }
    return y;
  };
  const auto with = [](OnnxBytes file, const std::string& from, const std::string& to) {
    file.tensor("s", {3}, {2, -1, 0.5}).tensor("t", {3}, {0.25, 0, 1});
    file.tensor("m", {3}, {0.5, -1, 0}).tensor("v", {3}, {1, 4, 0.25});
    return file.node("BatchNormalization", {from, "s", "t", "m", "v"}, to,
                     {real("epsilon", 0.0625F)});
  };
  const Layers before = read(with(first_layer(), "z1", "n").node("Relu", {"n"}, "y"));
  EXPECT_EQ(before.size(), 1U);
  expect_near(image(before, x0), each(relu, normalised(affine(w1, b1, x0))));

  const Layers after = read(with(first_layer().node("Relu", {"z1"}, "h"), "h", "y"));
  expect_near(image(after, x0), normalised(each(relu, affine(w1, b1, x0))));
}

TEST_F(NetworkFiles, a_sum_with_the_layer_before_makes_a_residual_layer) {
  OnnxBytes file({-1, 2});
  file.tensor("w", {2, 2}, {0.5, -1, 0.25, 2}).tensor("b", {2}, b2);
  file.node("Gemm", {"x", "w", "b"}, "z", {whole("transB", 1)}).node("Tanh", {"z"}, "h");
  file.node("Add", {"x", "h"}, "y");

  const Layers layers = read(file);

  ASSERT_EQ(layers.size(), 1U);
  EXPECT_TRUE(layers[0].residual);
  Numbers expected =
      each([](double z) { return std::tanh(z); }, affine({{0.5, -1}, {0.25, 2}}, b2, x0));
  for (std::size_t i = 0; i < 2; ++i) expected[i] += x0[i];
  expect_near(image(layers, x0), expected);
}

TEST_F(NetworkFiles, a_longer_skip_is_carried_by_neurons) {
  OnnxBytes file = first_layer();
  file.node("Relu", {"z1"}, "h1");
  file.tensor("w2", {2, 3}, flat(w2)).tensor("b2", {2}, b2);
  file.node("Gemm", {"h1", "w2", "b2"}, "z2", {whole("transB", 1)});
  file.node("Sub", {"z2", "x"}, "s").node("Gemm", {"s", "w1", "b1"}, "z3", {whole("transB", 1)});
  file.node("Sigmoid", {"z3"}, "y");

  const Layers layers = read(file);

  Numbers s = affine(w2, b2, each(relu, affine(w1, b1, x0)));
  for (std::size_t i = 0; i < 2; ++i) s[i] -= x0[i];
  expect_near(image(layers, x0),
              each([](double z) { return 1 / (1 + std::exp(-z)); }, affine(w1, b1, s)));
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].neurons, 5U); // three of the layer, two that carry x
}

TEST_F(NetworkFiles, shapes_that_only_flatten_samples_pass) {
  OnnxBytes file({-1, 1, 2, 1});
  file.tensor("rows", {2}, {-1, 2}, OnnxBytes::type_int64);
  file.tensor("w1", {3, 2}, flat(w1)).tensor("b1", {3}, b1);
  file.node("Flatten", {"x"}, "f").node("Reshape", {"f", "rows"}, "r");
  file.node("Gemm", {"r", "w1", "b1"}, "z", {whole("transB", 1)}).node("Identity", {"z"}, "y");

  expect_near(image(read(file), x0), affine(w1, b1, x0));
}

TEST_F(NetworkFiles, the_offending_pair_of_layers_is_named) {
  OnnxBytes file = first_layer();
  file.node("Tanh", {"z1"}, "h1").tensor("w2", {2, 4}, Numbers(8, 1));
  file.node("Gemm", {"h1", "w2"}, "y", {whole("transB", 1)});
  EXPECT_THAT(refusal(file),
              AllOf(HasSubstr("node 'n_y' (Gemm): its weight 'w2' takes 4 inputs, but 'h1', which "
                              "comes from node 'n_h1' (Tanh), has 3")));
  EXPECT_THAT(refusal(first_layer().tensor("c", {2}, b2).node("Add", {"z1", "c"}, "y")),
              HasSubstr("'c' has the shape [2], but 'z1', which comes from node 'n_z1' (Gemm), has "
                        "3 neurons"));
}

TEST_F(NetworkFiles, graphs_that_are_no_network_are_refused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto second = [](const std::string& type, std::vector<std::string> attributes = {}) {
    return first_layer().node(type, {"z1"}, "y", attributes);
  };
  EXPECT_THAT(refusal(second("Softmax")),
              AllOf(HasSubstr("node 'n_y' (Softmax): 'Softmax' is not understood; allowed are"),
                    HasSubstr("Tanh")));
  EXPECT_THAT(refusal(first_layer().node("Tanh", {"z1"}, "y", {}, "com.example")),
              HasSubstr("is of the domain 'com.example'"));
  EXPECT_THAT(refusal(first_layer()
                          .node("Add", {"z1", "b"}, "a")
                          .node("Tanh", {"a"}, "b")
                          .node("Tanh", {"b"}, "y")),
              HasSubstr("the graph has a cycle through node"));
  EXPECT_THAT(refusal(first_layer().node("Add", {"z1", "lost"}, "y")),
              HasSubstr("node 'n_y' (Add) needs 'lost', which nothing computes"));
  EXPECT_THAT(refusal(first_layer()),
              HasSubstr("the graph's output needs 'y', which nothing computes"));
  EXPECT_THAT(refusal(second("Tanh").node("Relu", {"z1"}, "y")),
              HasSubstr("computes 'y', which is there already"));
  EXPECT_THAT(refusal(second("Tanh", {graph_within("body")})), HasSubstr("graphs within nodes"));
  EXPECT_THAT(refusal(second("Tanh").value(11, "x2", {-1, 2})),
              HasSubstr("the graph has 2 inputs (a network has one): x, x2"));
  EXPECT_THAT(refusal(second("Tanh").value(12, "z1", {-1, 3})),
              HasSubstr("the graph has 2 outputs"));
  EXPECT_THAT(refusal(first_layer().node("Mul", {"z1", "z1"}, "y")),
              HasSubstr("understood only as part of the GELU"));
  EXPECT_THAT(refusal(first_layer().tensor("c", {}, {1}).node("Tanh", {"c"}, "y")),
              HasSubstr("must be computed from the graph's input"));
  EXPECT_THAT(refusal(first_layer().tensor("c", {1}, {nan}).node("Add", {"z1", "c"}, "y")),
              HasSubstr("tensor 'c' holds nan at entry 0"));
  EXPECT_THAT(refusal(first_layer().tensor("c", {}, {0}).node("Div", {"z1", "c"}, "y")),
              HasSubstr("divides by 0"));
}

TEST_F(NetworkFiles, tensors_that_are_not_what_they_say_are_refused) {
  const auto with = [](const std::vector<std::int64_t>& shape, const std::string& rest) {
    return first_layer().tensor_part("c", shape, rest).node("Add", {"z1", "c"}, "y");
  };
  const std::string real_type = number(2, OnnxBytes::type_double);
  EXPECT_THAT(refusal(with({3}, real_type + part(9, raw<double>({1, 2})))),
              HasSubstr("tensor 'c' has the shape [3], but holds 2 numbers"));
  EXPECT_THAT(refusal(with({3}, real_type + part(9, "12345"))), HasSubstr("but holds 0 numbers"));
  EXPECT_THAT(refusal(with({1'000'000'000, 1'000'000'000'000}, real_type + part(9, ""))),
              HasSubstr("but at most"));
  EXPECT_THAT(refusal(with({-3}, real_type)), HasSubstr("has the extent -3"));
  EXPECT_THAT(refusal(with({1}, number(2, OnnxBytes::type_int8) + part(9, "a"))),
              HasSubstr("has the element type INT8, but only float, double, float16, bfloat16 and "
                        "int64 are read"));
  const std::string half_type = number(2, OnnxBytes::type_half);
  EXPECT_THAT(refusal(with({1}, half_type + part(9, "abc"))), HasSubstr("but holds 0 numbers"));
  EXPECT_THAT(refusal(with({1}, half_type + part(9, std::string("\x00\xfc", 2)))),
              HasSubstr("tensor 'c' holds -inf at entry 0"));
  EXPECT_THAT(refusal(with({1}, real_type + number(14, 1) + part(13, part(1, "location")))),
              HasSubstr("keeps its values in another file"));
}

TEST_F(NetworkFiles, numbers_of_16_bits_are_read) {
  // IEEE 754: 1.5, the largest, the smallest normal and the smallest of all; bfloat16 is the upper
  // half of a float.
  struct Case {
    int type;
    std::array<int, 3> bits;
    Numbers values;
  };
  for (const Case& one :
       {Case{OnnxBytes::type_half, {0x3e00, 0xfbff, 0x0400}, {1.5, -65504, 0x1p-14}},
        Case{OnnxBytes::type_half, {0x8001, 0x0000, 0x3555}, {-0x1p-24, 0, 1365.0 / 4096}},
        Case{OnnxBytes::type_bfloat, {0x3fc0, 0xc2f7, 0x0001}, {1.5, -123.5, 0x1p-133}}}) {
    std::string raw_bytes;
    std::string typed;
    for (const int bits : one.bits) {
      raw_bytes += static_cast<char>(bits & 0xff);
      raw_bytes += static_cast<char>(bits >> 8);
      typed += varint(static_cast<std::uint64_t>(bits));
    }
    for (const std::string& data : {part(9, raw_bytes), part(5, typed)}) {
      OnnxBytes file({-1, 2});
      file.tensor("w1", {3, 2}, flat(w1), OnnxBytes::type_float);
      file.tensor_part("b", {3}, number(2, one.type) + data);
      file.node("Gemm", {"x", "w1", "b"}, "y", {whole("transB", 1)});
      EXPECT_EQ(read(file).at(0).bias, one.values);
    }
  }
}

TEST_F(NetworkFiles, more_weights_than_a_network_has_are_refused) {
  OnnxBytes file({-1, 900'000});
  file.node("Tanh", {"x"}, "y"); // a dense layer of as many neurons would take 6 TB
  EXPECT_THAT(refusal(file), HasSubstr("the most that are read"));
}

TEST_F(NetworkFiles, damaged_files_end_in_one_message) {
  EXPECT_THAT(refusal(std::string("")), HasSubstr("this is not an ONNX file"));
  EXPECT_THAT(refusal(std::string("\x89HDF nearly")), HasSubstr("this is not an ONNX file"));
  EXPECT_THAT(io::message_of<base::InputError>(
                  [&] { read_network(folder_.comm(), folder_.file("none.onnx"), {}); }),
              HasSubstr("there is no such file"));
  const std::string whole_file = first_layer().node("Tanh", {"z1"}, "y").bytes();
  for (std::size_t size = 1; size < whole_file.size(); size += 13) {
    refusal(whole_file.substr(0, size));
  }
  // Whatever a byte may become: layers, or one message.
  const base::Random random(7);
  for (std::uint64_t i = 0; i < 60; ++i) {
    std::string bytes = whole_file;
    const auto at =
        static_cast<std::size_t>(random.uniform(2 * i) * static_cast<double>(bytes.size()));
    bytes[at] = static_cast<char>(256 * random.uniform(2 * i + 1));
    try {
      read(bytes);
    } catch (const base::InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("net.onnx"));
    }
  }
}

TEST_F(NetworkFiles, state_dict_layers_follow_in_the_order_of_their_numbers) {
  const Layers layers = read_h5({{"10.weight", {1, 2}, {1, -2}},
                                 {"0.weight", {3, 2}, flat(w1)},
                                 {"2.bias", {2}, b2},
                                 {"0.bias", {3}, b1},
                                 {"2.weight", {2, 3}, flat(w2)}},
                                {"tanh", "relu", "identity"});

  ASSERT_EQ(layers.size(), 3U);
  const auto tanh = [](double z) { return std::tanh(z); };
  const Numbers h = each(relu, affine(w2, b2, each(tanh, affine(w1, b1, x0))));
  expect_near(image(layers, x0), {h[0] - 2 * h[1]});
  EXPECT_THAT(layers[1].name, AllOf(HasSubstr("net.h5"), HasSubstr("'2'")));
}

TEST_F(NetworkFiles, noise_is_given_beside_the_file) {
  const models::LayerNoiseInput narrow{.kind = "uniform", .half_width = {0.5}};
  const models::LayerNoiseInput wide{.kind = "gaussian", .sigma = {1, 2}};
  models::NetworkInput input{
      .input_range = {-1, 1},
      .file = made({{"0.weight", {3, 2}, flat(w1)}, {"1.weight", {2, 3}, flat(w2)}}),
      .activations = {"leaky_relu"},
      .slope = 0.25,
      .noises = {narrow, wide},
      .origin = {"input.yaml", 2}};

  const models::Network network = load_network(folder_.comm(), input);

  EXPECT_EQ(network.width(0), 2U);
  EXPECT_EQ(network.layers[0].slope, 0.25);
  EXPECT_EQ(network.layers[0].noise_at(2).reach(), 0.5);
  EXPECT_EQ(network.layers[1].noise_at(1).sigma(), 2);
  input.noises.pop_back();
  EXPECT_THAT(io::message_of<base::InputError>([&] { load_network(folder_.comm(), input); }),
              AllOf(HasSubstr("input.yaml:2: 'model.noises' has 1 entries, but"),
                    HasSubstr("has 2 layers")));
}

TEST_F(NetworkFiles, one_word_is_for_all_layers_but_the_last) {
  const Layers layers =
      read_h5({{"fc1.weight", {3, 2}, flat(w1)}, {"fc2.weight", {2, 3}, flat(w2)}}, {"sigmoid"});
  EXPECT_EQ(layers[0].activation, std::vector{models::Activation::sigmoid});
  EXPECT_EQ(layers[1].activation, std::vector{models::Activation::identity});
}

TEST_F(NetworkFiles, wrong_state_dicts_are_refused) {
  const Array first{"0.weight", {3, 2}, flat(w1)};
  EXPECT_THAT(refusal_h5({first, {"2.weight", {2, 2}, {1, 2, 3, 4}}}),
              HasSubstr("'2.weight' has the shape [2, 2], but the layer before it, '0', has 3 "
                        "neurons"));
  EXPECT_THAT(refusal_h5({first, {"1.running_mean", {3}, b1}}),
              HasSubstr("dataset '1.running_mean' is not understood"));
  EXPECT_THAT(refusal_h5({first, {"0.bias", {2}, b2}}), HasSubstr("'0.bias' does not fit"));
  EXPECT_THAT(refusal_h5({first, {"1.bias", {2}, b2}}), HasSubstr("no '1.weight'"));
  EXPECT_THAT(refusal_h5({{"0.weight", {3}, b1}}), HasSubstr("must be a matrix"));
  EXPECT_THAT(refusal_h5({{"0.weight", {1, 1}, {std::nan("")}}}),
              HasSubstr("every value must be finite"));
  EXPECT_THAT(refusal_h5({}), HasSubstr("it holds no network"));
  EXPECT_THAT(refusal_h5({first}, {}), HasSubstr("holds weights alone"));
  EXPECT_THAT(refusal_h5({first}, {"tanh", "tanh"}), HasSubstr("has 1 layers, but"));
  EXPECT_THAT(refusal_h5({first}, {"tan"}), HasSubstr("tan"));
}

} // namespace
} // namespace komori::operators
