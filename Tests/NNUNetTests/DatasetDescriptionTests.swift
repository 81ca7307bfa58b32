import Basics
import Inference
import Testing

@testable import NNUNet

@Suite struct DatasetDescriptionTests {
  private func parse(_ text: String) throws -> DatasetDescription {
    try DatasetDescription(json: JSON(parsing: Array(text.utf8)))
  }

  @Test func classesAreCountedWithBackgroundAndWithoutIgnore() throws {
    let dataset = try parse(
      #"""
      {"channel_names": {"0": "T1", "1": "T2"}, "file_ending": ".nii.gz",
       "labels": {"background": 0, "b": 2, "a": 1, "ignore": 3}}
      """#)
    #expect(dataset.channelCount == 2)
    #expect(dataset.labels.outputCount == 3)
    #expect(dataset.labels.ignore == 3)
    #expect(dataset.labels.foregroundLabels == [1, 2])
    #expect(dataset.labels.rule == .largest)
    #expect(dataset.labels.isConsecutive)
  }

  @Test func labelsMayBeText() throws {
    let dataset = try parse(
      #"""
      {"channel_names": {"0": "MR"}, "file_ending": ".nii.gz",
       "labels": {"background": "0", "a": "1", "b": "2", "ignore": "3"}}
      """#)
    #expect(dataset.labels.foregroundLabels == [1, 2] && dataset.labels.ignore == 3)
  }

  /// Region i is the i-th entry of the file, so the order of keys must survive parsing.
  @Test func regionsKeepTheOrderOfTheFile() throws {
    let dataset = try parse(
      #"""
      {"channel_names": {"0": "MR"}, "file_ending": ".png", "regions_class_order": [7, 2, 9],
       "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3}}
      """#)
    #expect(dataset.labels.foreground.map(\.name) == ["whole", "core", "active"])
    #expect(dataset.labels.outputCount == 3)
    #expect(dataset.labels.rule == .regions([7, 2, 9]))
    #expect(dataset.labels.foregroundLabels == [1, 2, 3])
  }

  @Test func theOldNameOfChannelsWins() throws {
    let dataset = try parse(
      #"""
      {"modality": {"0": "CT"}, "channel_names": {"0": "a", "1": "b"}, "file_ending": ".nii",
       "labels": {"background": 0, "x": 1}}
      """#)
    #expect(dataset.channelCount == 1)
  }

  @Test(arguments: [
    (#""labels": {"background": 0}"#, "file_ending"),
    (#""file_ending": ".nii""#, "labels"),
    (#""file_ending": ".nii", "channel_names": {}, "labels": {"background": 0}"#, "channel_names"),
    (#""file_ending": ".nii", "labels": {"x": 1}"#, "background"),
    (#""file_ending": ".nii", "labels": {"background": 1}"#, "background"),
    (#""file_ending": ".nii", "labels": {"background": 0, "x": "one"}"#, "x"),
    (#""file_ending": ".nii", "labels": {"background": 0, "x": -1}"#, "x"),
    (#""file_ending": ".nii", "labels": {"background": 0, "x": 1, "ignore": 1}"#, "ignore"),
    (#""file_ending": ".nii", "labels": {"background": 0, "x": [1, 2]}"#, "regions_class_order"),
    (
      #""file_ending": ".nii", "labels": {"background": 0, "x": [1, 2]}, "regions_class_order": [1, 2]"#,
      "regions_class_order"
    ),
  ])
  func mistakesAreNamed(text: String, word: String) {
    let failure = #expect(throws: Failure.self) { try parse(#"{"channel_names": {"0": "CT"}, \#(text)}"#) }
    #expect(failure?.kind == .badInput)
    #expect(failure?.message.contains(word) == true)
  }
}
