#include "operators/network_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "config/file_path.hpp"
#include "io/read_file.hpp"
#include "operators/network_onnx.hpp"
#include "operators/network_state_dict.hpp"
#include "operators/onnx_graph.hpp"

namespace komori::operators {
namespace {

constexpr std::string_view hdf5_magic = "\x89HDF\r\n\x1a\n";

/// The first bytes of a file, empty where it cannot be read.
std::string head_of(const std::string& path) {
  std::array<char, 8> bytes{};
  std::ifstream stream(path, std::ios::binary);
  stream.read(bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(stream.gcount())};
}

std::string bytes_of(const std::string& path) {
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) throw std::runtime_error("there is no such file");
  if (!std::filesystem::is_regular_file(status)) {
    throw std::runtime_error("this is not a file that can be read");
  }
  const auto size = std::filesystem::file_size(path, code);
  if (code) throw std::runtime_error(code.message());
  if (size > most_network_bytes) {
    throw std::runtime_error(fmt::format("it has {} MiB, but at most {} MiB of network are read",
                                         size >> 20, most_network_bytes >> 20));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(std::strerror(errno));
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) throw std::runtime_error(std::strerror(errno));
  return bytes;
}

/// How many bytes at `i` are one printable character of UTF-8; 0: they are none.
std::size_t printable_bytes(const std::string& text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char first = byte(i);
  if (first < 0x80) return std::iscntrl(first) != 0 ? 0 : 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || i + size > text.size()) return 0;
  for (std::size_t k = i + 1; k < i + size; ++k) {
    if ((byte(k) & 0xc0) != 0x80) return 0;
  }
  return first == 0xc2 && byte(i + 1) < 0xa0 ? 0 : size; // control characters have two bytes, too
}

/// Names from the file may hold anything; a message stays one printable line.
std::string printable(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = printable_bytes(text, i);
    result += bytes == 0 ? "?" : text.substr(i, bytes);
    i += std::max<std::size_t>(bytes, 1);
  }
  return result;
}

/// What `read` returns, with messages and names that can be printed.
template <class Read> std::vector<models::NetworkLayer> printable_layers(Read&& read) {
  try {
    std::vector<models::NetworkLayer> layers = read();
    for (models::NetworkLayer& layer : layers) layer.name = printable(layer.name);
    return layers;
  } catch (const base::InputError& error) {
    throw base::InputError(printable(error.what()));
  }
}

} // namespace

std::vector<models::NetworkLayer> read_network(MPI_Comm comm, const std::string& path,
                                               const StateDict& how) {
  if (base::on_first_rank(comm, [&] { return head_of(path); }) == hdf5_magic) {
    return printable_layers([&] { return layers_of_state_dict(io::ReadFile(comm, path), how); });
  }
  try {
    OnnxGraph graph = read_onnx(base::on_first_rank(comm, [&] { return bytes_of(path); }));
    if (how.group != "/") throw std::runtime_error("an ONNX file has no groups; leave 'group' out");
    if (!how.activations.empty()) {
      throw std::runtime_error("an ONNX file says its activations itself; leave 'activations' out");
    }
    if (!how.order.empty()) {
      throw std::runtime_error("an ONNX file says the order of its layers; leave 'order' out");
    }
    sort_nodes(graph);
    std::vector<models::NetworkLayer> layers = layers_of(graph);
    for (models::NetworkLayer& layer : layers) {
      layer.name = printable(fmt::format("'{}': {}", path, layer.name));
    }
    return layers;
  } catch (const base::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw base::InputError(printable(fmt::format("'{}': {}", path, error.what())));
  }
}

models::Network load_network(MPI_Comm comm, const models::NetworkInput& input) {
  if (input.file.empty()) return models::make_network(input);
  std::vector<models::NetworkLayer> layers =
      read_network(comm, config::sought(input.file, input.origin),
                   {.activations = input.activations, .order = input.order, .group = input.group});
  if (!input.noises.empty() && input.noises.size() != layers.size()) {
    throw base::InputError(fmt::format("{}: 'model.noises' has {} entries, but '{}' has {} layers",
                                       input.origin.text(), input.noises.size(), input.file,
                                       layers.size()));
  }
  for (std::size_t n = 0; n < layers.size(); ++n) {
    models::NetworkLayer& layer = layers[n];
    if (!input.activations.empty()) layer.slope = input.slope;
    if (input.noises.empty() && !input.noise) continue;
    const models::LayerNoiseInput& noise = input.noises.empty() ? *input.noise : input.noises[n];
    const std::string key =
        input.noises.empty() ? "model.noise" : fmt::format("model.noises[{}]", n);
    layer.noise = models::make_layer_noise(noise, key, layer.neurons);
  }
  return models::complete(input, std::move(layers));
}

} // namespace komori::operators
