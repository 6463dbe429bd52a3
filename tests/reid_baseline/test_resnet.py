"""The ResNets beside torchvision's."""

import pytest
import torch
import torchvision

from reid_baseline import BaselineNet
from reid_baseline.resnet import resnet18, resnet18_url, resnet50, resnet50_url

RESNETS = {"resnet50": resnet50, "resnet18": resnet18}


@pytest.mark.parametrize("arch", RESNETS)
def test_names_and_first_weights_are_those_of_torchvision(arch):
    states = []
    for build in (RESNETS[arch], lambda last_stride: torchvision.models.get_model(arch)):
        torch.manual_seed(0)
        states.append(build(2).state_dict() | {"next draw": torch.rand(())})
    ours, theirs = states
    assert list(ours) == [name for name in theirs if not name.startswith("fc.")]
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("arch", RESNETS)
@pytest.mark.parametrize(("last_stride", "side"), [(2, (2, 1)), (1, (4, 2))])
def test_last_stride_sets_the_last_map(arch, last_stride, side):
    network = RESNETS[arch](last_stride).eval()
    shapes = []
    network.layer4.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[2:]))
    assert network(torch.zeros(2, 3, 64, 32)).shape == (2, network.width)
    assert shapes == [side]
    assert network.width == {"resnet50": 2048, "resnet18": 512}[arch]


@pytest.mark.parametrize("arch", RESNETS)
def test_layout_of_the_last_stage_changes_no_result(arch):
    torch.manual_seed(0)
    model, images = BaselineNet(arch, 3).eval(), torch.rand(2, 3, 64, 32)
    formats, layer4 = [], model.backbone.layer4
    layer4[0].conv2.register_forward_pre_hook(lambda _, inputs: formats.append(inputs[0].is_contiguous()))
    with torch.no_grad():
        plain = model(images)
        laid_out = model.lay_out(torch.device("cpu"), "fp32")(images.to(memory_format=torch.channels_last))
        everywhere = model.to(memory_format=torch.channels_last)(images)
    assert formats == [True, True, False]
    torch.testing.assert_close(laid_out, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(everywhere, plain, atol=1e-4, rtol=1e-4)


def test_imagenet_weights_are_the_first_version():
    assert resnet50_url().endswith("/resnet50-0676ba61.pth") and resnet18_url().endswith("/resnet18-f37072fd.pth")
