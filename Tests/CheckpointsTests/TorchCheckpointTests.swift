import Basics
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct TorchCheckpointTests {
  @Test func readsAnNNUNetCheckpoint() throws {
    let checkpoint = try TorchCheckpoint.open(resource("nnunet.pth"))
    let weights = checkpoint.networkWeights
    #expect(
      weights.names == [
        "encoder.conv.weight", "encoder.all_modules.0.weight", "decoder.encoder.conv.weight", "decoder.seg.weight",
        "decoder.seg.bias",
      ])
    #expect(weights.canonical.names == ["encoder.conv.weight", "decoder.seg.weight", "decoder.seg.bias"])
    #expect(weights.storageCount == 3)
    #expect(weights["encoder.conv.weight"]?.storage === weights["decoder.encoder.conv.weight"]?.storage)
    #expect(weights["encoder.conv.weight"]?.shape == [4, 3, 3])
    #expect(weights["decoder.seg.weight"]?.floats() == ramp(10))
    #expect(checkpoint.trainerName == "nnUNetTrainer")
    #expect(checkpoint.configuration == "3d_fullres")
    #expect(checkpoint.fold == "all")
    #expect(checkpoint.mirroringAxes == [0, 1])
    #expect(
      checkpoint.plans?.text()
        == #"{"dataset_name": "Dataset000_Test", "spacing": [1.0, 0.5], "regions": {"1": [1, 2]}, "none": null}"#)
    #expect(checkpoint.datasetJSON?["labels"]?["liver"] == .int(1))
    #expect(checkpoint.root["init_args"]?["device"]?.string == "cuda:0")
    #expect(checkpoint.root["_best_ema"]?.double == 0.75)
    #expect(checkpoint.root["logging"]?["mean_fg_dice"]?.sequence?.compactMap(\.double) == [0.5, 0.25])
    #expect(try checkpoint.root["logging"]?["epochs"]?.tensor?.integers() == [0, 1, 2])
  }

  @Test func readsTheContainerBefore16() throws {
    let checkpoint = try TorchCheckpoint.open(resource("nnunet_v1_legacy.model"))
    #expect(
      checkpoint.networkWeights.canonical.names == ["encoder.conv.weight", "decoder.seg.weight", "decoder.seg.bias"])
    #expect(checkpoint.networkWeights.storageCount == 3)
    #expect(checkpoint.networkWeights["encoder.conv.weight"]?.floats() == ramp(36))
    #expect(checkpoint.networkWeights["decoder.seg.bias"]?.floats() == ramp(5))
    #expect(checkpoint.root["epoch"]?.int == 5)
    #expect(checkpoint.trainerName == nil && checkpoint.mirroringAxes == nil && checkpoint.plans == nil)
  }

  @Test func readsViewsAsPyTorchDoes() throws {
    let tensors = try StateDictionary.open(resource("strided.pth"))
    let all = ramp(16)
    #expect(tensors["transposed"]?.shape == [4, 3])
    #expect(tensors["transposed"]?.floats() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map { all[$0] })
    #expect(tensors["step"]?.floats() == [all[1], all[4], all[7]])
    #expect(tensors["offset"]?.floats() == Array(all[9..<12]))
    #expect(tensors["expanded"]?.floats() == [0, 0.25, 0, 0.25, 0, 0.25])
    #expect(tensors["scalar"]?.floats() == [1.5])
    #expect(tensors["scalar"]?.shape == [])
    #expect(tensors["empty"]?.shape == [0, 3])
    #expect(tensors["parameter"]?.floats() == [0, 0.25])
    #expect(tensors["parameter with state"]?.floats() == ramp(3))
    #expect(tensors["tensor with attributes"]?.floats() == [0, 0.25])
  }

  @Test(arguments: ["types.pth", "types_protocol4.pth", "types_legacy.pth", "types.safetensors"])
  func readsEveryElementType(file: String) throws {
    let tensors = try StateDictionary.open(resource(file))
    #expect(tensors.count == (file == "types_legacy.pth" ? 10 : 13))
    for name in tensors.names {
      let tensor = try #require(tensors[name])
      #expect(tensor.elementType.rawValue == name)
      #expect(tensor.floats() == (name == "bool" ? [0, 1, 1, 1] : [0, 1, 3, 100]))
      #expect(tensor.doubles() == (name == "bool" ? [0, 1, 1, 1] : [0, 1, 3, 100]))
      #expect(try tensor.integers() == (name == "bool" ? [0, 1, 1, 1] : [0, 1, 3, 100]))
    }
  }

  @Test func readsHalfPrecisionExactly() throws {
    let values = try #require(try StateDictionary.open(resource("half.pth"))["half"]).floats()
    #expect(values == [0x1p-24, 0x1.ff8p-15, 0x1p-14, 65504, .infinity, -.infinity, -0x1p-24, -1])
  }

  @Test func readsMembersThatWerePackedAgain() throws {
    let weight = try #require(try StateDictionary.open(resource("deflated.pth"))["weight"])
    #expect(weight.shape == [64, 16])
    #expect(weight.floats() == ramp(1024))
  }

  @Test func weightsThatCannotBeComputedWithAreRefused() {
    #expect {
      try TorchCheckpoint.open(resource("complex.pth"))
    } throws: {
      ($0 as? Failure)?.message.contains("_rebuild_tensor_v2") == true
    }
  }

  @Test func foreignFilesAreExplained() throws {
    let folder = try TemporaryFolder()
    func message(_ content: [UInt8]) throws -> String {
      try AtomicFile.write(content, to: folder("file.pth"))
      do {
        _ = try TorchCheckpoint.open(folder("file.pth"))
        return "no failure"
      } catch let failure as Failure {
        #expect(failure.file == folder("file.pth") && failure.kind == .badInput)
        return failure.message
      }
    }
    #expect(try message([]) == "is empty")
    #expect(try message(Array("<!DOCTYPE html><html>".utf8)).contains("web page"))
    #expect(try message(Array("version https://git-lfs.github.com/spec/v1".utf8)).contains("Git LFS"))
    #expect(try message(Array("hello, this is text and not a checkpoint".utf8)).contains("not a PyTorch checkpoint"))
    #expect(throws: Failure.self) { try TorchCheckpoint.open(folder("absent.pth")) }
    let archive = try ZipWriter(path: folder("other.zip"))
    try archive.add("Dataset004/plans.json", Array("{}".utf8), method: .deflated)
    try archive.commit()
    #expect(try message(Path.read(folder("other.zip"))).contains("no data.pkl"))
    #expect(try message(pth(["epoch": .int(3), "names": .list([])])).contains("keys: epoch, names"))
    #expect(try message(pth(["network_weights": .dictionary(PickleDictionary([("a", .int(1))]))])).contains("a number"))
    #expect(try message(pth(["network_weights": .dictionary(PickleDictionary())])).contains("empty"))
    #expect(try message(pth([:], byteOrder: "big")).contains("byte order"))
  }

  /// The smallest archive that PyTorch would write for these values.
  private func pth(_ entries: KeyValuePairs<String, PickleValue>, byteOrder: String = "little") throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let writer = try ZipWriter(path: folder("x.pth"))
    let value = PickleValue.dictionary(PickleDictionary(entries.map { ($0.key, $0.value) }))
    try writer.add("x/data.pkl", PickleWriter.bytes(of: value))
    try writer.add("x/byteorder", Array(byteOrder.utf8))
    try writer.commit()
    return try Path.read(folder("x.pth"))
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func readsTheReferenceModelsAsPyTorchDoes() throws {
    let reference = try #require(try JSON.read(resource("reference_weights.json")).object)
    #expect(reference.count == 8)
    for (path, expected) in reference.members {
      let checkpoint = try TorchCheckpoint.open(ReferenceData.data("models/" + path))
      let weights = checkpoint.networkWeights
      #expect(weights.count == expected["names"]?.int)
      #expect(weights.storageCount == expected["storages"]?.int)
      // Dropping the repeated names leaves exactly one for each parameter.
      #expect(weights.canonical.count == weights.storageCount)
      #expect(checkpoint.trainerName == expected["trainer"]?.string)
      #expect(checkpoint.configuration == expected["configuration"]?.string)
      #expect(checkpoint.fold == expected["fold"]?.string)
      #expect(checkpoint.mirroringAxes == expected["axes"]?.ints)
      for (name, probe) in try #require(expected["probes"]?.object).members {
        let tensor = try #require(weights[name])
        #expect(tensor.shape == probe["shape"]?.ints)
        #expect(tensor.isContiguous && tensor.elementType == .float32)
        let values = tensor.doubles()
        #expect(Array(values.prefix(4)) == probe["first"]?.doubles)
        // The sums are taken in another order.
        #expect(abs(values.reduce(0, +) - (probe["sum"]?.double ?? .nan)) < 1e-9)
      }
      let folder = Path.split(Path.split(ReferenceData.data("models/" + path)).folder).folder
      let plans = try JSON.read(Path.join(folder, "plans.json"))
      #expect(checkpoint.plans?["plans_name"] == plans["plans_name"])
      #expect(checkpoint.plans?["configurations"]?.object?.keys == plans["configurations"]?.object?.keys)
      #expect(checkpoint.datasetJSON?["labels"]?.object != nil)
    }
  }
}
