type Condition = Record<string, Record<string, string[]>>;

/** A recorded claim set, the tightest role one would write for it, and single changes that must not pass. */
export interface RealClaimsCase {
  file: string;
  principal?: string[];
  condition: Condition;
  /** Each changes one claim (a JSON Pointer; undefined removes it). */
  nearMisses: [pointer: string, value: unknown][];
}

const equal = (values: Record<string, string>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(values).map(([claim, value]) => [`jwt:${claim}`, [value]]));

export const REAL_CLAIMS: RealClaimsCase[] = [
  {
    file: 'github-push.json',
    condition: {
      StringEqual: equal({ repository: 'aidansteele/aws-federation-github-actions', ref: 'refs/heads/main' }),
    },
    nearMisses: [
      ['/repository', 'aidansteele/aws-federation-github-actions2'],
      ['/ref', 'refs/heads/main2'],
    ],
  },
  {
    file: 'github-push-modern.json',
    condition: {
      StringEqual: equal({
        repository_id: '456789',
        repository_owner_id: '123456',
        ref: 'refs/heads/main',
        sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
      }),
    },
    nearMisses: [
      ['/repository_id', '456780'],
      ['/repository_id', 456789],
      ['/ref', 'refs/heads/Main'],
      ['/event_name', 'pull_request_target'],
    ],
  },
  {
    file: 'github-pull-request.json',
    condition: {
      StringEqual: equal({
        sub: 'repo:github/actions-oidc-debugger:pull_request',
        repository_owner_id: '9919',
        event_name: 'pull_request',
      }),
      StringLike: { 'jwt:ref': ['refs/pull/*/merge'] },
    },
    nearMisses: [
      ['/event_name', 'workflow_run'],
      ['/ref', 'refs/heads/main'],
      ['/repository_owner_id', '9920'],
    ],
  },
  {
    file: 'github-environment.json',
    condition: {
      StringEqual: equal({
        sub: 'repo:octo-org/octo-repo:environment:prod',
        environment: 'prod',
        ref: 'refs/heads/main',
        repository_owner_id: '65',
      }),
    },
    nearMisses: [
      ['/environment', 'production'],
      ['/ref', 'refs/heads/attack'],
    ],
  },
  {
    file: 'github-reusable-workflow.json',
    condition: {
      StringEqual: equal({
        job_workflow_ref: 'sigstore/fulcio/.github/workflows/foo.yaml@refs/heads/main',
        repository_owner_id: '345',
      }),
    },
    nearMisses: [
      ['/job_workflow_ref', 'sigstore/fulcio/.github/workflows/foo.yaml@refs/heads/dev'],
      ['/repository_owner_id', '346'],
    ],
  },
  {
    file: 'github-immutable-sub.json',
    condition: {
      StringLike: { 'jwt:sub': ['repo:octo-org@123456/octo-repo@456789:ref:refs/heads/*'] },
      StringEqual: equal({ repository_id: '456789' }),
    },
    nearMisses: [
      ['/sub', 'repo:octo-org/octo-repo@456789:ref:refs/heads/main'],
      ['/sub', 'repo:octo-org@999/octo-repo@456789:ref:refs/heads/main'],
      ['/repository_id', '999'],
    ],
  },
  {
    file: 'github-enterprise-issuer.json',
    condition: { StringEqual: equal({ repository: 'octocat-inc/private-server', enterprise_id: '123' }) },
    nearMisses: [
      ['/enterprise_id', '124'],
      ['/iss', 'https://token.actions.githubusercontent.com'],
    ],
  },
  {
    file: 'github-custom-sub.json',
    condition: {
      StringEqual: equal({ sub: 'repository_owner_id:6154722:repository_id:966304329:environment:release' }),
    },
    nearMisses: [
      ['/sub', 'repository_owner_id:6154722:repository_id:966304329:environment:test'],
      ['/sub', 'repo:microsoft/teams.py:environment:release'],
    ],
  },
  {
    file: 'github-repo-property.json',
    condition: {
      StringEqual: equal({
        repository_owner_id: '123457',
        repo_property_business_unit: 'payments',
        repo_property_pci: 'true',
        repo_property_regions: 'eu-west-1,us-east-1',
      }),
    },
    nearMisses: [
      ['/repo_property_pci', 'false'],
      ['/repo_property_pci', true],
      ['/repo_property_regions', 'eu-west-1'],
      ['/repo_property_business_unit', undefined],
    ],
  },
  {
    file: 'github-ghes.json',
    condition: { StringEqual: equal({ repository_id: '12', repository_owner_id: '6', ref: 'refs/heads/main' }) },
    nearMisses: [
      ['/repository_id', '13'],
      // The same small ids at github.com are another repository: the role names its issuer.
      ['/iss', 'https://token.actions.githubusercontent.com'],
    ],
  },
  {
    file: 'gitlab.json',
    condition: {
      StringEqual: equal({
        project_id: '20',
        ref_path: 'refs/heads/feature-branch-1',
        environment: 'test-environment2',
      }),
      NumericEqual: { 'jwt:runner_id': ['1'] },
      'ForAnyValue:StringEqual': { 'jwt:groups_direct': ['mygroup/mysubgroup'] },
    },
    nearMisses: [
      ['/project_id', '21'],
      ['/runner_id', '1'],
      ['/groups_direct', ['mygroup']],
    ],
  },
  {
    file: 'gitlab-com-subgroup-tag.json',
    condition: {
      StringEqual: equal({ namespace_id: '1730270', ref_type: 'tag', ref_protected: 'true' }),
      StringLike: { 'jwt:project_path': ['consortia/*'], 'jwt:ref': ['v*'] },
    },
    nearMisses: [
      ['/ref_type', 'branch'],
      ['/ref_protected', 'false'],
      ['/project_path', 'consortia-evil/deployer'],
    ],
  },
  {
    file: 'buildkite.json',
    condition: {
      StringEqual: equal({ organization_slug: 'acme-inc', pipeline_slug: 'super-duper-app', build_branch: 'main' }),
      StringLike: {
        'jwt:sub': ['organization:acme-inc:pipeline:super-duper-app:ref:refs/heads/main:commit:*:step:build'],
      },
      NumericGreaterThanEqual: { 'jwt:build_number': ['1'] },
    },
    nearMisses: [
      ['/build_branch', 'dev'],
      ['/sub', 'organization:acme-inc:pipeline:super-duper-app:ref:refs/heads/main:commit:x:step:test'],
      ['/build_number', 0],
    ],
  },
  {
    file: 'circleci.json',
    condition: {
      StringEqual: equal({
        'oidc.circleci.com/project-id': '3f6d0e1b-8b2f-4a57-8f29-6d2fcd0c1e77',
        'oidc.circleci.com/vcs-ref': 'refs/heads/main',
      }),
      'ForAnyValue:StringEqual': { 'jwt:oidc.circleci.com/context-ids': ['b7f8a1c9-2c0e-4e0d-a5f5-3f5b6f3b7c55'] },
    },
    nearMisses: [
      ['/oidc.circleci.com~1ssh-rerun', true],
      ['/oidc.circleci.com~1project-id', '3f6d0e1b-8b2f-4a57-8f29-6d2fcd0c1e78'],
      ['/oidc.circleci.com~1context-ids', []],
    ],
  },
  {
    file: 'azure-devops.json',
    condition: {
      StringEqual: equal({
        org_id: '0ca3ddd9-f0b0-4635-a98c-5866526961b6',
        prj_id: '271ef6f7-5998-4b0f-86fb-4b54d9129990',
        def_id: '1',
        rpo_ref: 'refs/heads/main',
      }),
    },
    nearMisses: [
      ['/org_id', '0ca3ddd9-f0b0-4635-a98c-5866526961b7'],
      ['/def_id', '2'],
      ['/rpo_ref', undefined],
    ],
  },
  {
    file: 'azure-devops-service-connection.json',
    principal: ['sc://noahstride0304/testing-azure-devops-join/test-generic-sc'],
    condition: {},
    nearMisses: [
      ['/sub', 'sc://noahstride0304/testing-azure-devops-join/test-generic-sc2'],
      ['/sub', 'sc://NoahStride0304/testing-azure-devops-join/test-generic-sc'],
    ],
  },
  {
    file: 'google-service-account.json',
    principal: ['107517467455664443765'],
    condition: {
      StringEqual: equal({
        email: 'deployer@my-project.iam.gserviceaccount.com',
        '/google/compute_engine/project_id': 'my-project',
      }),
      NumericEqual: { 'jwt:/google/compute_engine/project_number': ['739419398126'] },
    },
    nearMisses: [
      ['/email_verified', false],
      ['/email_verified', 'true'],
      ['/google/compute_engine/project_id', 'my-project2'],
      ['/google/compute_engine/project_number', 739419398127],
    ],
  },
  {
    file: 'kubernetes.json',
    principal: ['system:serviceaccount:kube-system:coredns'],
    condition: {
      StringEqual: equal({
        '/kubernetes.io/namespace': 'kube-system',
        '/kubernetes.io/serviceaccount/uid': 'a087d5a0-e1dd-43ec-93ac-f13d89cd13af',
      }),
    },
    nearMisses: [
      ['/kubernetes.io/namespace', 'default'],
      ['/kubernetes.io/serviceaccount/uid', 'a087d5a0-e1dd-43ec-93ac-f13d89cd13ae'],
    ],
  },
  {
    file: 'kubernetes-eks-no-jti.json',
    condition: {
      StringEqual: equal({
        sub: 'system:serviceaccount:default:default',
        '/kubernetes.io/pod/uid': '00676586-b87d-489a-b9ad-3eac00a82301',
      }),
    },
    nearMisses: [
      ['/sub', 'system:serviceaccount:default:default2'],
      ['/kubernetes.io/pod/uid', null],
    ],
  },
  {
    file: 'keycloak.json',
    principal: ['a81bcb85-72a8-446a-9263-004944a4e9f4'],
    condition: {
      StringLike: { 'jwt:email': ['*@example.com'] },
      'ForAnyValue:StringEqual': { 'jwt:/resource_access/openfaas/roles': ['deployer'] },
    },
    nearMisses: [
      ['/email_verified', false],
      ['/email', 'a@evil.com@example.com'],
      ['/resource_access/openfaas/roles', ['viewer']],
    ],
  },
  {
    file: 'okta.json',
    condition: {
      StringEqual: equal({ sub: '00uid4BxXw6I6TV4m0g3' }),
      NumericEqual: { 'jwt:ver': ['1'] },
      'ForAnyValue:StringEqual': { 'jwt:groups': ['platform-admins'] },
    },
    nearMisses: [
      ['/groups', ['Everyone']],
      ['/groups', 'platform-admins,Everyone'],
      ['/ver', '1'],
    ],
  },
  {
    file: 'entra.json',
    condition: {
      StringEqual: equal({
        oid: '00000000-0000-0000-66f3-3332eca7ea81',
        tid: '9122040d-6c67-4c5b-b112-36a304b66dad',
      }),
      'ForAnyValue:StringEqual': { 'jwt:groups': ['d4fa9c35-7c2b-4bf7-9a21-0f2f9a5f6c11'] },
    },
    nearMisses: [
      ['/tid', '9122040d-6c67-4c5b-b112-36a304b66dae'],
      ['/oid', '00000000-0000-0000-66f3-3332eca7ea82'],
      ['/groups', ['d4fa9c35-7c2b-4bf7-9a21-0f2f9a5f6c12']],
    ],
  },
  {
    file: 'entra-groups-overage.json',
    condition: {
      StringEqual: equal({
        oid: '00000000-0000-0000-66f3-3332eca7ea81',
        tid: '9122040d-6c67-4c5b-b112-36a304b66dad',
        uti: 'fqiBqXLPj0eQa82S-IYFAQ',
      }),
    },
    nearMisses: [
      // Left to the role that asks for a group: the list of groups is absent, which is no reason to let anyone in.
      ['/uti', 'another'],
      ['/oid', '00000000-0000-0000-66f3-3332eca7ea80'],
    ],
  },
  {
    file: 'bitbucket.json',
    condition: {
      StringEqual: equal({
        workspaceUuid: '{0c2b1d6e-6a4f-4f0d-8b7d-1e2f3a4b5c6d}',
        repositoryUuid: '{4f1e5f3c-4a53-4a5e-9f2b-0a7d1b8e8a01}',
        branchName: 'main',
      }),
      StringLike: { 'jwt:sub': ['{4f1e5f3c-4a53-4a5e-9f2b-0a7d1b8e8a01}:*'] },
    },
    nearMisses: [
      ['/repositoryUuid', '4f1e5f3c-4a53-4a5e-9f2b-0a7d1b8e8a01'],
      ['/branchName', 'main2'],
    ],
  },
  {
    file: 'terraform-cloud.json',
    condition: {
      StringEqual: equal({
        terraform_organization_id: 'org-GRNbCjYNpBB6NEH9',
        terraform_workspace_id: 'ws-mbsd5E3Ktt5Rg2Xm',
        terraform_run_phase: 'apply',
        sub: 'organization:my-org:project:Default Project:workspace:my-workspace:run_phase:apply',
      }),
    },
    nearMisses: [
      ['/terraform_run_phase', 'plan'],
      ['/sub', 'organization:my-org:project:Default  Project:workspace:my-workspace:run_phase:apply'],
    ],
  },
  {
    file: 'aws-outbound.json',
    principal: ['arn:aws:iam::123456789012:role/DataProcessingRole'],
    condition: {
      StringEqual: equal({
        '/https:~1~1sts.amazonaws.com~1/aws_account': '123456789012',
        '/https:~1~1sts.amazonaws.com~1/principal_tags/environment': 'production',
      }),
    },
    nearMisses: [
      ['/https:~1~1sts.amazonaws.com~1/aws_account', '123456789013'],
      ['/https:~1~1sts.amazonaws.com~1/principal_tags/environment', 'Production'],
    ],
  },
  {
    file: 'ansible-aap.json',
    condition: {
      StringEqual: equal({
        aap_controller_organization_id: '1',
        aap_controller_job_template_id: '21',
        aap_controller_launch_type: 'manual',
      }),
    },
    nearMisses: [
      ['/aap_controller_job_template_id', '2'],
      ['/aap_controller_launch_type', 'scheduled'],
    ],
  },
];
