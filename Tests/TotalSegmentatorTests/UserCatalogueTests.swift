import Basics
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// Catalogues that users write.
@Suite struct UserCatalogueTests {
  private static let valid = """
    {
      "datasets": {
        "900": {"folder": "Dataset900_mine", "url": "https://example.org/mine.zip"},
        "291": {"folder": "Dataset291_TotalSegmentator_part1_organs_1559subj", "url": "https://mirror.example/a.zip"}
      },
      "tasks": {
        "mine": {
          "modality": "CT",
          "classes": ["left", "right"],
          "default": {"spacing": [3, 2, 1], "dataset": 900, "folds": "all"},
          "crop": {"rois": ["liver"], "model": "total", "margin": 5}
        }
      }
    }
    """

  private func load(_ text: String) throws -> TaskCatalogue {
    let folder = try TemporaryFolder()
    try AtomicFile.write(Array(text.utf8), to: folder("mine.json"))
    return try TaskCatalogue.load(extending: [folder("mine.json")], environment: { _ in nil })
  }

  @Test func addsTasksAndMirrors() throws {
    let catalogue = try load(Self.valid)
    let task = try catalogue.task(named: "mine")
    #expect(task.standard.parts.map(\.classCount) == [2])
    #expect(task.standard.parts.map(\.folds) == [nil])
    #expect(task.standard.spacing?.z == 3 && task.standard.spacing?.x == 1)
    #expect(task.fastFlag == .refused)
    #expect(task.crop?.margin == 5)
    #expect(try catalogue.dataset(291).url == "https://mirror.example/a.zip")
    #expect(try catalogue.sources(forDownload: "mine").map(\.id) == ["900", "298", "297"])
  }

  @Test func isFoundByVariableAndInTheConfigurationFolder() throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder("config/microtome/tasks"))
    try AtomicFile.write(Array(Self.valid.utf8), to: folder("config/microtome/tasks/mine.json"))
    func names(_ variables: [String: String]) throws -> Bool {
      try TaskCatalogue.load(environment: { variables[$0] }).tasks.contains { $0.name == "mine" }
    }
    #expect(try !names([:]))
    #expect(try names(["XDG_CONFIG_HOME": folder("config")]))
    #expect(try names(["MICROTOME_TASKS": folder("config/microtome/tasks/mine.json")]))
    #expect(try names(["MICROTOME_TASKS": folder("config/microtome/tasks")]))
    #expect { try names(["MICROTOME_TASKS": folder("absent.json")]) } throws: {
      ($0 as? Failure)?.kind == .missingInput && "\($0)".contains("absent.json")
    }
  }

  /// What is replaced in the valid file, by what, and what the complaint must contain.
  @Test(arguments: [
    ("\"CT\"", "\"XR\"", "tasks.mine.modality: one of \"CT\", \"MR\" was expected"),
    ("\"modality\"", "\"modalty\"", "tasks.mine: the key \"modalty\" means nothing here (did you mean modality?)"),
    ("\"modality\": \"CT\",", "", "tasks.mine: the key \"modality\" is missing"),
    ("\"right\"", "\"left\"", "tasks.mine.classes[1]: left occurs twice"),
    ("\"right\"", "\"a/b\"", "tasks.mine.classes[1]: \"a/b\" cannot be part of a file name"),
    ("[3, 2, 1]", "[3, 2]", "tasks.mine.default.spacing: one spacing or three"),
    ("[3, 2, 1]", "-1", "tasks.mine.default.spacing: a number above 0"),
    ("\"dataset\": 900", "\"dataset\": 901", "tasks.mine.default: there is no dataset 901"),
    ("\"dataset\": 900", "\"parts\": [{\"dataset\": 900, \"classes\": 1}]", "parts find 1 classes, the task has 2"),
    ("[\"liver\"]", "[\"livr\"]", "tasks.mine.crop.rois: the task total, which the region is found with, has no class"),
    ("\"total\"", "\"rough\"", "tasks.mine.crop.model: there is no rough model called rough"),
    ("\"mine\": {", "\"total\": {", "tasks.total: a task of this name is in built-in tasks.json"),
    ("Dataset291_TotalSegmentator_part1_organs_1559subj", "Dataset291_other", "datasets.291: this number belongs to"),
    ("Dataset900_mine", "../x", "datasets.900.folder: a folder without"),
    ("\"all\"", "[0, 0]", "tasks.mine.default.folds: a list of fold numbers"),
    ("\"margin\": 5", "\"margin\": \"5\"", "tasks.mine.crop.margin: a number of at least 0"),
    ("\"tasks\": {", "\"taks\": {", "did you mean tasks?"),
    ("}\n}", "}", "is not valid JSON"),
  ])
  func mistakesAreNamed(old: String, new: String, complaint: String) throws {
    let ranges = Self.valid.ranges(of: old)
    var text = Self.valid
    if let range = ranges.last { text.replaceSubrange(range, with: new) }
    #expect {
      _ = try load(text)
    } throws: { error in
      let failure = error as? Failure
      if failure?.description.contains(complaint) != true { Issue.record("\(error)") }
      return failure?.kind == .badInput && failure?.file?.hasSuffix("mine.json") == true
    }
  }

  @Test func aTaskCannotNeedItself() throws {
    let text = Self.valid
      .replacing(
        "\"tasks\": {", with: "\"roughModels\": {\"own\": {\"task\": \"mine\", \"variant\": \"fast\"}}, \"tasks\": {"
      )
      .replacing("[\"liver\"], \"model\": \"total\"", with: "[\"left\"], \"model\": \"own\"")
    #expect { _ = try load(text) } throws: { "\($0)".contains("tasks.mine: the task needs itself") }
  }

  @Test func stepsAreChecked() throws {
    let text = Self.valid.replacing("\"crop\"", with: "\"steps\": [{\"step\": \"polish\"}], \"crop\"")
    #expect { _ = try load(text) } throws: { "\($0)".contains("tasks.mine.steps[0].step: is no step") }
  }
}
