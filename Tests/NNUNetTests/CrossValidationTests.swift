import Basics
import TestSupport
import Testing

@testable import NNUNet

@Suite struct CrossValidationTests {
  /// Names whose code point order is that of the numbers.
  private func names(_ count: Int) -> [String] { (0..<count).map { "case_" + String(1000 + $0) } }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func foldsAreThoseOfTheReference() throws {
    let vectors = try JSON.read(ReferenceData.vectors("splits/splits.json"))
    for (count, expected) in try #require(vectors["kfold5_seed12345_val_indices"]?.object).members {
      let names = names(try #require(Int(count)))
      let splits = try CrossValidation.splits(of: names.reversed())
      let validation = try #require(expected.array).compactMap { $0.ints?.map { names[$0] } }
      #expect(splits.map(\.validation) == validation)
      for split in splits {
        #expect(split.train == names.filter { !split.validation.contains($0) })
      }
    }
    for (name, expected) in try #require(vectors["fallback_80_20"]?.object).members {
      // n20_fold5
      let numbers = name.split(separator: "_").compactMap { Int($0.drop { !$0.isNumber }) }
      let names = names(numbers[0])
      let split = CrossValidation.randomSplit(of: names, fold: numbers[1])
      #expect(split.train == expected["train_indices_in_order"]?.ints?.map { names[$0] })
      #expect(split.validation == names.filter { !split.train.contains($0) })
    }
  }

  @Test func foldsAreStoredAndReadAgain() throws {
    let folder = try TemporaryFolder()
    let names = names(7)
    #expect(throws: Failure.self) {
      try CrossValidation.split(fold: "\(Int.max)", of: names, folder: folder.path)
    }
    let split = try CrossValidation.split(fold: "1", of: names, folder: folder.path)
    #expect(split.validation == ["case_1000", "case_1004"])
    let path = folder(CrossValidation.fileName)
    let text = String(decoding: try Path.read(path), as: UTF8.self)
    #expect(text.hasPrefix("[\n    {\n        \"train\": [\n            \"case_1000\","))
    #expect(text.hasSuffix("]"))
    #expect(try CrossValidation.read(path) == CrossValidation.splits(of: names))

    // A file of the user's own: one fold, overlapping.
    try CrossValidation.write([.init(train: names, validation: [names[2]])], to: path)
    #expect(try CrossValidation.split(fold: "0", of: names, folder: folder.path).validation == [names[2]])
    #expect(
      try CrossValidation.split(fold: "5", of: names, folder: folder.path)
        == CrossValidation.randomSplit(of: names, fold: 5))
    let all = try CrossValidation.split(fold: "all", of: names.reversed(), folder: folder.path)
    #expect(all.train == names && all.validation == names)
  }

  @Test func mistakesAreExplained() throws {
    let folder = try TemporaryFolder()
    #expect(throws: Failure.self) { try CrossValidation.splits(of: names(4)) }
    for fold in ["-1", "first", "1.5"] {
      let failure = #expect(throws: Failure.self) {
        try CrossValidation.split(fold: fold, of: names(9), folder: folder.path)
      }
      #expect(failure?.kind == .usage)
    }
    try CrossValidation.write([.init(train: ["gone"], validation: [])], to: folder(CrossValidation.fileName))
    let failure = #expect(throws: Failure.self) {
      try CrossValidation.split(fold: "0", of: names(9), folder: folder.path)
    }
    #expect(failure?.message.contains("gone") == true)
    for text in ["", "{}", "[]", #"[{"train": []}]"#, #"[{"train": [1], "val": []}]"#] {
      try AtomicFile.write(Array(text.utf8), to: folder(CrossValidation.fileName))
      #expect(throws: Failure.self) { try CrossValidation.read(folder(CrossValidation.fileName)) }
    }
  }
}
