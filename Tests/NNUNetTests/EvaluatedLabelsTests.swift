import Basics
import Testing

@testable import NNUNet

@Suite struct EvaluatedLabelsTests {
  @Test func keysAreWrittenAsPythonWritesThem() throws {
    for (item, key) in [
      (EvaluatedLabels.Item(label: 12), "12"), (.init(region: [1, 2, 3]), "(1, 2, 3)"), (.init(region: [4]), "(4,)"),
    ] {
      #expect(item.key == key)
      #expect(try EvaluatedLabels.Item(key: key) == item)
    }
    for key in ["", "a", "()", "(1, b)", "1, 2"] {
      #expect(throws: Failure.self) { try EvaluatedLabels.Item(key: key) }
    }
  }

  /// Regions keep the order of the file; one written as a plain number stays one.
  @Test func regionsAreTakenFromTheDataset() throws {
    let text = #"""
      {"channel_names": {"0": "MR"}, "file_ending": ".nii.gz", "regions_class_order": [1, 2, 3],
       "labels": {"background": 0, "whole": [1, 2, 3], "core": [2], "rest": 3, "ignore": 4}}
      """#
    let labels = try EvaluatedLabels(dataset: DatasetDescription(json: JSON(parsing: Array(text.utf8))))
    #expect(labels.items.map(\.key) == ["(1, 2, 3)", "(2,)", "3"])
    #expect(labels.ignore == 4)
  }

  /// The order of additions is numpy's (values from numpy 2.4).
  @Test func sumsAreRoundedAsByNumPy() {
    let values = (0..<300).map { 1 / Double($0 + 1) }
    #expect(PairwiseSum.of(Array(values[..<7])) == values[..<7].reduce(0, +))
    #expect(PairwiseSum.of(Array(values[..<20])) == 3.597739657143682)
    #expect(PairwiseSum.of(values) == 6.282663880299504)
  }
}
